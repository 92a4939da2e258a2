"""What the dashboards are made of: queries that hold for any set-up, and panels with the same manners."""

from grafana_foundation_sdk.builders import bargauge, common as c, dashboard as d, prometheus, stat, statetimeline, table, timeseries
from grafana_foundation_sdk.models import common, dashboard

SOURCE = common.DataSourceRef(type_val="prometheus", uid="${datasource}")

# ---- Queries

# The variables that narrow the rows of targets. Where there is no such label, "all" matches its absence too.
CHOSEN = 'cluster=~"$cluster", source=~"$source", namespace=~"$namespace", host=~"$host"'
# What identifies a target's row, whoever scraped it.
ROW = "cluster, source, namespace, name, host, port, address"


def rows(metric, matchers=""):
    """One sample per target's row that was chosen, however many replicas say so."""
    selector = ", ".join(filter(None, [CHOSEN, matchers]))
    return f"max without (instance, pod) ({metric}{{{selector}}})"


def number_of(vector):
    """How many samples; 0 rather than nothing."""
    return f"count({vector}) or vector(0)"


def share_of(part, whole):
    """How much of `whole`, by number of samples; nothing where there is none."""
    return f"(count({part}) or vector(0)) / count({whole})"


NOT_BEFORE = rows("kube_https_certificate_not_before_timestamp_seconds", 'position="leaf"')
NOT_AFTER = rows("kube_https_certificate_not_after_timestamp_seconds", 'position="leaf"')
REMAINING = f"({NOT_AFTER} - time())"
LIFETIME = f"({NOT_AFTER} - {NOT_BEFORE})"

# ---- Panels


def levels(*steps):
    """Colours from a value on: levels("green", (1, "red"))."""
    first, *rest = steps
    found = [dashboard.Threshold(value=None, color=first)]
    found += [dashboard.Threshold(value=value, color=color) for value, color in rest]
    return d.ThresholdsConfig().mode(dashboard.ThresholdsMode.ABSOLUTE).steps(found)


NEUTRAL = levels("blue")
BAD = levels("green", (1, "red"))
WORRYING = levels("green", (1, "orange"))
# The thresholds of the alerts, but for their caps in days.
SHARE_LEFT = levels("red", (0.10, "orange"), (0.25, "green"))


def instant(expr, legend=""):
    return prometheus.Dataquery().datasource(SOURCE).expr(expr).instant().legend_format(legend or "__auto")


def over_time(expr, legend):
    return prometheus.Dataquery().datasource(SOURCE).expr(expr).range().legend_format(legend)


def columns(expr, ref):
    return instant(expr).format("table").ref_id(ref)


def described(panel, title, description, width, height):
    return panel.title(title).description(description).datasource(SOURCE).span(width).height(height)


def figure(title, description, expr, colours, width=3, legend=""):
    """One number, or one per series of `expr`, named by `legend`."""
    return (
        described(stat.Panel(), title, description, width, 4)
        .unit("short")
        .thresholds(colours)
        .color_mode(common.BigValueColorMode.VALUE)
        .graph_mode(common.BigValueGraphMode.NONE)
        .text_mode(common.BigValueTextMode.VALUE_AND_NAME if legend else common.BigValueTextMode.VALUE)
        .reduce_options(c.ReduceDataOptions().calcs(["lastNotNull"]))
        .with_target(instant(expr, legend))
    )


def bars(title, description, expr, legend, colours=NEUTRAL, width=8, height=8):
    """One bar per series of `expr`."""
    return (
        described(bargauge.Panel(), title, description, width, height)
        .unit("short")
        .min(0)
        .thresholds(colours)
        .orientation(common.VizOrientation.HORIZONTAL)
        .display_mode(common.BarGaugeDisplayMode.BASIC)
        .reduce_options(c.ReduceDataOptions().calcs(["lastNotNull"]))
        .with_target(instant(expr, legend))
    )


def lines(title, description, unit, queries, width=8, height=8):
    """Series over time; `queries` are pairs of an expression and its legend."""
    panel = described(timeseries.Panel(), title, description, width, height).unit(unit).min(0)
    panel.fill_opacity(10).show_points(common.VisibilityMode.NEVER)
    for expr, legend in queries:
        panel.with_target(over_time(expr, legend))
    return panel


def timeline(title, description, queries, mappings, width=24, height=8):
    """How each series of `queries`, pairs of an expression and its legend, stood over time: a bar whose colour is by value."""
    panel = described(statetimeline.Panel(), title, description, width, height).unit("short").mappings(mappings)
    panel.show_value(common.VisibilityMode.NEVER).merge_values(True)
    for expr, legend in queries:
        panel.with_target(over_time(expr, legend))
    return panel


def listing(title, description, queries, names, sort_by, width=24, height=10):
    """A table of the labels and values of instant `queries`; `names` are its columns, in order, and what they are called."""
    panel = described(table.Panel(), title, description, width, height).unit("short").filterable(True)
    for ref, expr in zip("ABCDEF", queries):
        panel.with_target(columns(expr, ref))
    return (
        panel.with_transformation(transformation("merge", {}))
        .with_transformation(transformation("filterFieldsByName", {"include": {"names": list(names)}}))
        .with_transformation(
            transformation(
                "organize",
                {"renameByName": names, "indexByName": {name: place for place, name in enumerate(names)}},
            )
        )
        .sort_by([c.TableSortByFieldState().display_name(sort_by[0]).desc(sort_by[1])])
    )


def transformation(kind, options):
    return dashboard.DataTransformerConfig(id_val=kind, options=options)


def setting(name, value):
    """One property of a column: panel.override_by_name(column, [setting(…), …])."""
    return dashboard.DynamicConfigValue(id_val=name, value=value)


def background():
    """The column's colour behind its whole cell."""
    return setting("custom.cellOptions", {"type": "color-background", "mode": "basic"})


def words(meanings):
    """What values are called, and in which colour: words({"1": ("yes", "green")})."""
    return {
        "type": "value",
        "options": {value: {"text": text, "color": colour, "index": index} for index, (value, (text, colour)) in enumerate(meanings.items())},
    }


YES_IS_GOOD = words({"1": ("yes", "green"), "0": ("no", "red")})
YES_IS_BAD = words({"1": ("yes", "red"), "0": ("no", "green")})


def linked():
    """The column leads to the board of the row's host."""
    query = "var-source=${__data.fields.Source}&var-namespace=${__data.fields.Namespace}&var-host=${__data.fields.Host}"
    url = f"/d/{TARGET}?${{datasource:queryparam}}&${{cluster:queryparam}}&{query}&${{__url_time_range}}"
    return setting("links", [{"title": "The host", "url": url}])


# ---- Boards

# What the boards of one set are found by, to link them with one another.
TAG = "kube-https-exporter"
TARGET = "kube-https-target"


def choice(name, label, query):
    """A variable that narrows what is shown; all of it at first."""
    everything = dashboard.VariableOption(selected=True, text="All", value="$__all")
    return (
        d.QueryVariable(name)
        .label(label)
        .datasource(SOURCE)
        .query(query)
        .definition(query)
        .refresh(dashboard.VariableRefresh.ON_TIME_RANGE_CHANGED)
        .sort(dashboard.VariableSort.ALPHABETICAL_ASC)
        .multi(True)
        .include_all(True)
        .all_value(".*")
        .current(everything)
    )


def board(uid, title, description):
    """A read-only board with the variables that all boards share."""
    return (
        d.Dashboard(title)
        .uid(uid)
        .description(description)
        .tags([TAG, "tls", "certificates"])
        .link(
            d.DashboardLink("Kube HTTPS")
            .type(dashboard.DashboardLinkType.DASHBOARDS)
            .tags([TAG])
            .as_dropdown(True)
            .include_vars(True)
            .keep_time(True)
        )
        .readonly()
        .time("now-24h", "now")
        .refresh("1m")
        .tooltip(dashboard.DashboardCursorSync.CROSSHAIR)
        .variables(
            [
                d.DatasourceVariable("datasource").label("Data source").type("prometheus"),
                choice("cluster", "Cluster", "label_values(kube_https_build_info, cluster)"),
                choice("namespace", "Namespace", 'label_values(kube_https_probe_success{cluster=~"$cluster"}, namespace)'),
                choice("source", "Source", 'label_values(kube_https_probe_success{cluster=~"$cluster"}, source)'),
                choice(
                    "host",
                    "Host",
                    'label_values(kube_https_probe_success{cluster=~"$cluster", namespace=~"$namespace", source=~"$source"}, host)',
                ),
            ]
        )
    )
