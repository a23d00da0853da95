"""Clusters of Flink and Spark on this machine, without containers: for a try before a build goes to a real one."""
