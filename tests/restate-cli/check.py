"""What makes a function a check."""


def check(title):
    """Gives a function of the `World` the title under which it is reported."""
    def mark(function):
        function.title = title
        return function
    return mark
