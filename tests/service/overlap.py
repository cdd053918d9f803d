"""Calls in several threads that overlap as chance would seldom let them."""

import threading


def overlapping(call):
    """Return a function that is called in three threads, two at a time.

    The first call lasts until the second has begun, and the second until the third is over:
    what each restores when it ends is then in another order than what they found.
    """
    begun, changed = [], threading.Condition()

    def called(*args, **kwargs):
        with changed:
            number = len(begun)
            begun.append(threading.current_thread())
            changed.notify_all()
            if number < 2:
                assert changed.wait_for(lambda: len(begun) > number + 1, 60)
        if number == 1:
            begun[2].join(60)
        return call(*args, **kwargs)

    return called
