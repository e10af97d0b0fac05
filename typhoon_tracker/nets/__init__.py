"""Networks: nothing but torch."""
