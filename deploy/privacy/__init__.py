"""The documents of data protection, written from the partner files, the agreement and one declaration of data sets."""
