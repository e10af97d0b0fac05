"""The cyclone tracker: it knows fields, and nothing of the model that made them."""
