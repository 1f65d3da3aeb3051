"""Published classifiers as Keras models: their networks, and readers of the files that hold their weights."""
