"""What a generated text is worth: answers taken out of it, formulas compared, programs run, judges asked."""
