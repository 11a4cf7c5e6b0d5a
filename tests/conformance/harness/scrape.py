"""A page of metrics, read as strictly as promtool reads it."""
from prometheus_client.openmetrics import parser as openmetrics
from prometheus_client.parser import text_string_to_metric_families

OPEN = "application/openmetrics-text; version=1.0.0"


class Page:
    """What a scrape gave: samples by name and labels, and the families they are of."""

    def __init__(self, text: str, families):
        self.text = text
        self.families = {f.name: f for f in families}
        self.samples = {}
        for f in self.families.values():
            for s in f.samples:
                key = (s.name, frozenset(s.labels.items()))
                assert key not in self.samples, f"{key} is there twice"
                self.samples[key] = s.value

    def value(self, name: str, **labels) -> float:
        """The sum of all samples that have these labels."""
        wanted = labels.items()
        return sum(v for (n, found), v in self.samples.items() if n == name and wanted <= dict(found).items())

    def names(self) -> set[str]:
        return {name for name, _ in self.samples}


def scrape(server, accept: str | None = None) -> Page:
    r = server.admin.get("/metrics", headers={"accept": accept} if accept else None)
    assert r.status_code == 200, r.text
    kind = r.headers["content-type"]
    if accept == OPEN:
        assert kind == "application/openmetrics-text; version=1.0.0; charset=utf-8"
        page = Page(r.text, openmetrics.text_string_to_metric_families(r.text))
    else:
        assert kind == "text/plain; version=0.0.4; charset=utf-8"
        page = Page(r.text, text_string_to_metric_families(r.text))
    check(page)
    return page


def check(page: Page):
    """What the parsers do not look at."""
    begun, told = set(), None
    for line in page.text.splitlines():
        if line.startswith("# HELP "):
            told = line.split(" ", 3)[2]
            assert told not in begun, f"{told} is told of twice"
            assert line.split(" ", 3)[3].endswith("."), line
            begun.add(told)
        elif line.startswith("# TYPE "):
            assert line.split(" ")[2] == told, f"{line} does not follow its HELP"
        elif not line.startswith("#"):
            assert line.startswith(told), f"{line} is not below {told}"
    for f in page.families.values():
        assert f.name.startswith("latchwork_") and f.documentation, f
        if f.type == "histogram":
            check_buckets(f)
        for s in f.samples:
            assert f.type == "gauge" or s.value >= 0, s


def check_buckets(family):
    series = {}
    for s in family.samples:
        labels = frozenset((k, v) for k, v in s.labels.items() if k != "le")
        series.setdefault(labels, {}).setdefault(s.name.removeprefix(family.name), []).append(s)
    for labels, parts in series.items():
        buckets = parts["_bucket"]
        bounds = [float(s.labels["le"]) for s in buckets]
        counts = [s.value for s in buckets]
        assert bounds == sorted(set(bounds)) and bounds[-1] == float("inf"), (family.name, labels)
        assert counts == sorted(counts), (family.name, labels, counts)
        assert parts["_count"][0].value == counts[-1] and len(parts["_sum"]) == 1, (family.name, labels)


def counters_only_grow(before: Page, after: Page):
    for f in before.families.values():
        if f.type in ("counter", "histogram"):
            for s in f.samples:
                key = (s.name, frozenset(s.labels.items()))
                assert after.samples[key] >= s.value, f"{key} ran back"
