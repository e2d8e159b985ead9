"""The product file and its classes: questions and changes."""
