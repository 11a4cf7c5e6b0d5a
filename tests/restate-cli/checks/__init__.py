"""All checks, in the order in which they run. A check is a function of the `World`.

Those that change what is deployed come last, and leave the services of version v1 behind.
"""
from . import deployments, invocations, kafka_and_limits, operations, services, settings, sql, state


def _checks(module):
    for function in vars(module).values():
        if getattr(function, "__module__", None) == module.__name__ and hasattr(function, "title"):
            yield function


ALL = [check
       for module in (settings, services, invocations, operations, state, sql, kafka_and_limits,
                      deployments)
       for check in _checks(module)]
