"""Models as files and as what they answer: fastText, SentencePiece's unigrams, Kneser-Ney."""
