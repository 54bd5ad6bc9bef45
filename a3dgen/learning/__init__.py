"""Networks that the project trains itself, and their weights: inference in NumPy, training in torch."""
