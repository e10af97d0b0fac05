"""A six-hourly forecaster of u10, v10 and z500: pretrained on the reconstruction, tuned and tested on real storms."""
