"""Who does it: the plain loop, workers of this machine, or an engine by Beam, which is imported here."""
