"""Write the reduced exchanges from a folder of recorded ones: its forms, with synthetic values.

    python tests/reduced/reduce.py ../shared

What is kept is what describes the server: methods, routes, statuses, keys, kinds, nulls, its words
for a refusal, and values that a test names. Ids, positions, times and measurements are other ones
in the same order, long lists are cut, pictures are a single pixel. The result is one file for each
service, by the path of each exchange.
"""

import ast
import base64
import json
import math
import random
import re
import sys
from collections import defaultdict
from pathlib import Path

HERE = Path(__file__).parent
#: Which exchanges the tests read, by service. Those of ATLAS with a body of objects are large.
FOLDERS = {
    "alerce": "samples/alerce/**/*",
    "atlas": "samples/atlas/*.json",
    "forcedphot": "samples/forcedphot/*.json",
    "lccserver": "samples/lccserver/*",
    "skyportal": "samples/skyportal/**/*",
}
HEADERS = {
    "allow", "content-disposition", "content-type", "etag", "location", "retry-after", "vary",
    "www-authenticate",
}  # fmt: skip
SKIPPED = re.compile(
    # Answers in binary forms, which are written by the sandbox for the tests.
    r"\.gz$|\.zip$|\.png$|avro|stamps/|localization_download"
    # The same as another, again and again; no test reads them.
    r"|slow_set_|set_inprogress_2|set_json_(page|nokey|badkey)|object_ok_key|xm_5000|datasets_(5000|key|x)"
    r"|collections_key|objects_(wrap_ra0|huge)|limit_values|swagger|openapi"
)
PIXEL = base64.b64encode(
    b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x01\0\0\0\x01\x08\0\0\0\0:~\x9bU\0\0\0\nIDATx\x9cc`\0\0\0\x02"
    b"\0\x01H\xaf\xa4q\0\0\0\0IEND\xaeB`\x82"
).decode()
LONGEST = 12
DECIMALS = re.compile(r"(?<![\w.+-])-?\d+\.\d{5,}(?![\w.])")
TOKEN = re.compile(r"(?<![\w.])\d{8,20}(?![\d.])|\bZTF\d\d[a-z]{7}\b")
# Of SkyPortal: positions are where those who recorded it put them, and what follows from a flux
# follows from the new one.
PLACES = {"ra", "dec", "gal_lon", "gal_lat", "radius", "snr", "magerr"}
FACTOR = 1.17
PHOTOMETRY = {"flux", "fluxerr"}, {"mag", "limiting_mag"}


def named():
    """Return the numbers and the words of the tests."""
    numbers, words = set(), set()
    for path in HERE.parent.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Constant):
                if isinstance(node.value, int | float) and not isinstance(node.value, bool):
                    numbers.add(abs(node.value))
                elif isinstance(node.value, str):
                    words.update(re.findall(r"[\w.-]+", node.value))
    return numbers, words


class Values:
    """Other values for those of one service; what was equal stays so, and so does the order."""

    def __init__(self, numbers, words, service):
        self.numbers, self.words = numbers, words
        self.linked = service == "skyportal"
        self.random = random.Random(service)
        self.found = defaultdict(set)
        self.floats, self.ids = {}, {}

    def look(self, value, key=""):
        if isinstance(value, dict):
            for name, one in value.items():
                self.look(one, name)
        elif isinstance(value, list):
            for one in value:
                self.look(one, key)
        elif isinstance(value, float) and not self.kept(value):
            self.found[key].add(value)

    def kept(self, value):
        return not math.isfinite(value) or value == round(value) or abs(value) in self.numbers

    def draw(self):
        """Choose the new numbers, in the same order; keys that share a number are one."""
        groups = []
        for key, values in sorted(self.found.items()):
            long = {one for one in values if len(repr(one)) > 7}
            # Right ascensions and declinations stay what they can be.
            if re.search(r"(^|_)(ra|decl?)$", key):
                long = set()
            same = [group for group in groups if group[1] & long]
            joined = {key}.union(*(group[0] for group in same))
            groups = [group for group in groups if group not in same]
            groups.append((joined, long.union(*(group[1] for group in same))))
        for keys, _ in groups:
            old = sorted(set().union(*(self.found[key] for key in keys)))
            low, high = old[0], old[-1]
            width = (high - low) or abs(low)
            new = sorted(self.random.uniform(low + 0.02 * width, high) for _ in old)
            for one, other in zip(old, new, strict=True):
                digits = len(repr(one).partition("e")[0].partition(".")[2])
                other = float(f"{other:.{digits}f}" if "e" not in repr(one) else f"{other:.6g}")
                # The sign, and that there is a fraction, are part of the form.
                same = math.copysign(1, other) == math.copysign(1, one) and other != round(other)
                self.floats |= {(key, one): other if same else one for key in keys}

    def identifier(self, text):
        if text in self.words or (text.isdigit() and int(text) in self.numbers):
            return text
        if text not in self.ids:
            draw = self.random.choice
            if text.isdigit():
                new = text[0] + "".join(draw("0123456789") for _ in text[1:-1]) + text[-1]
            else:
                new = text[:5] + "".join(draw("abcdefghij") for _ in text[5:])
            self.ids[text] = new
        return self.ids[text]

    def text(self, value):
        if len(value) > 400 and re.fullmatch(r"[\w+/=-]+", value):
            return PIXEL
        return TOKEN.sub(lambda match: self.identifier(match[0]), value)

    def other(self, value, key=""):
        if isinstance(value, dict):
            return {self.text(name): self.other(one, name) for name, one in value.items()}
        if isinstance(value, list):
            return [self.other(one, key) for one in value]
        if isinstance(value, str):
            return self.text(value)
        if self.linked and isinstance(value, int | float) and not isinstance(value, bool):
            if key in PLACES:
                return value
            if key in PHOTOMETRY[0]:
                return value * FACTOR
            if key in PHOTOMETRY[1]:
                return value - 2.5 * math.log10(FACTOR)
        if isinstance(value, float):
            return self.floats.get((key, value), value)
        if isinstance(value, int) and abs(value) >= 10**7 and not isinstance(value, bool):
            return int(math.copysign(1, value)) * int(self.identifier(str(abs(value))))
        return value


def cut(value, longest=LONGEST):
    """Shorten lists of rows, and of numbers."""
    if isinstance(value, dict):
        return {name: cut(one, longest) for name, one in value.items()}
    if isinstance(value, list):
        return [cut(one, longest) for one in value[:longest]]
    return value


def cut_dataset(body):
    """Shorten a dataset of LCC-Server, which has the number of its rows in it."""
    rows = len(body["result"])
    if rows > LONGEST:
        body["result"] = body["result"][:LONGEST]
        for key in ("actual_nrows", "total_nmatches"):
            if body.get(key) == rows:
                body[key] = LONGEST
    return body


def exchange(recorded):
    """Return what a recorded exchange says of the server."""
    kept = {name: one for name, one in recorded.items() if name not in ("elapsed_s", "bytes")}
    kept["headers"] = {
        name: '"0"' if name.lower() == "etag" else one
        for name, one in recorded["headers"].items()
        if name.lower() in HEADERS
    }
    return kept


def read(path, service):
    text = path.read_text()
    if path.suffix == ".md":
        return endpoints(text)
    if path.suffix not in (".json", ".ndjson"):
        return text
    if path.suffix == ".ndjson":
        return [json.loads(line) for line in text.splitlines() if line.strip()]
    try:
        body = json.loads(text)
    except json.JSONDecodeError:
        return text
    if service in ("atlas", "forcedphot", "skyportal") and "headers" in body:
        body = exchange(body)
        if len(text) > 8000 and "body" in body and "photometry_get" not in path.name and (
            "totalMatches" not in text):  # fmt: skip
            body["body"] = cut(body["body"], 4 if service == "atlas" else LONGEST)
    elif service == "lccserver" and "actual_nrows" in body:
        body = cut_dataset(body)
    return body


def endpoints(text):
    """Return the number, the method and the route of each line of the table of endpoints."""
    lines = []
    for line in text.splitlines():
        if number := re.match(r"\| \d+ \|", line):
            what = re.split(r"(?<!\\)\|", line)[3]
            route = re.search(
                r"(GET|PUT|POST|PATCH|DELETE|HEAD) `.*?`(?: \((single|multiple)\))?", what
            )
            cell = f" {route[0]} " if route else re.match(r" /\S+?<br>", what)[0] + " "
            lines.append(f"{number[0]} |{cell}|")
    return "\n".join([*lines, ""])


def write(path, body):
    """Return the text of an exchange."""
    if isinstance(body, str):
        return body
    if path.suffix == ".ndjson":
        return "".join(json.dumps(one) + "\n" for one in body)
    return json.dumps(body, ensure_ascii=False)


def reduce(shared, service, pattern):
    values = Values(*named(), service)
    paths = [path for path in sorted(shared.glob(pattern)) if path.is_file()]
    paths = [path for path in paths if not SKIPPED.search(str(path.relative_to(shared)))]
    bodies = {path: read(path, service) for path in paths}
    for body in bodies.values():
        values.look(body)
    values.draw()
    return {
        str(path.relative_to(shared)): write(path, values.other(body))
        for path, body in bodies.items()
    }


def moved(service, texts, shared):
    """Move the decimals that are still those of a recording, unless a test names them.

    Of SkyPortal only positions, and what follows from a flux, are left of them.
    """
    if service == "skyportal":
        return texts
    tests = "".join(path.read_text() for path in HERE.parent.rglob("*.py"))
    paths = (path for path in shared.glob(f"samples/{service}/**/*") if path.is_file())
    recorded = set(DECIMALS.findall("".join(path.read_text(errors="ignore") for path in paths)))

    def other(found):
        text = found[0]
        if text not in recorded or text.lstrip("-") in tests:
            return text
        value = float(text)
        # A date by minutes, all else by less than a percent.
        value = value + 0.00731 if abs(value) > 50000 else value * 1.0031
        return f"{value:.{len(text.partition('.')[2])}f}"

    return {path: DECIMALS.sub(other, text) for path, text in texts.items()}


def main(shared):
    shared = Path(shared)
    for service, pattern in FOLDERS.items():
        texts = moved(service, reduce(shared, service, pattern), shared)
        lines = ",\n".join(f"{json.dumps(k)}: {json.dumps(v)}" for k, v in texts.items())
        (HERE / f"{service}.json").write_text("{\n" + lines + "\n}\n")


if __name__ == "__main__":
    main(sys.argv[1])
