"""What a trained network does inside, and where its forecasts go wrong: attention, similarity of layers, error maps."""
