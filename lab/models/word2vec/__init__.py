"""word2vec: the engine's protocol, the engine on gensim, and the loss on held-out text."""
