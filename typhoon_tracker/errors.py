"""The one error a user is meant to see."""


class InputError(ValueError):
    """Something the user gave cannot be used; the message quotes the value, the limit and the way out.

    The command line prints the message alone and exits with code 2.
    """
