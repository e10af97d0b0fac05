"""The split of the seasons, the same for everything that learns: no storm is in two parts."""

LAST_TRAINING_SEASON = 2021
VALIDATION_SEASON = 2022  # chooses among weights; later seasons are for tests alone
