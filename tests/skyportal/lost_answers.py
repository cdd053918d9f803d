"""A server that does what it is asked, and whose response is lost on the way."""

import re

from atlasquery.sandbox.skyportal.routes import html


class Losing:
    """Let the double do what it is sent, and lose its response."""

    def __init__(self, double, pattern, times=1, status=502):
        self.double, self.pattern, self.left = double, pattern, times
        self.page = html(status, "Bad Gateway")
        self.own, double._routed = double._routed, self.routed

    def routed(self, method, target, key, body):
        data = self.own(method, target, key, body)
        if self.left and re.search(self.pattern, f"{method} {target}"):
            self.left -= 1
            return self.page
        return data
