"""sql: as a table, as JSON, and piped."""
import json

from check import check


@check("sql: a table, with the count of rows beside it")
def table(w):
    invocation = w.done("Cart", "add", "x", "sql-1")
    answer = w.cli("sql", f"SELECT id, target, status FROM sys_invocation WHERE id = '{invocation}'").ok
    answer.in_order("ID TARGET STATUS", f"{invocation} Cart/sql-1/add completed")
    answer.warns("1 rows. Query took")


@check("sql: JSON and lines of JSON on stdout, and nothing else")
def as_json(w):
    for n in range(2):
        w.done("Cart", "add", n, "sql-2")
    query = ("SELECT target_handler_name AS handler, count(*) AS n FROM sys_invocation "
             "WHERE target_service_key = 'sql-2' GROUP BY target_handler_name")
    expected = [{"handler": "add", "n": 2}]
    assert json.loads(w.cli("sql", query, "--json").ok.out) == expected
    lines = w.cli("sql", query, "--jsonl").ok.out.split()
    assert [json.loads(line) for line in lines] == expected, lines


@check("sql: types of columns arrive as they are")
def types(w):
    found, = json.loads(w.cli("sql", "SELECT 1 AS one, 1.5 AS half, 'a' AS text, true AS yes, "
                                     "CAST(NULL AS VARCHAR) AS nothing", "--json").ok.out)
    assert found["one"] == 1 and found["half"] == 1.5 and found["text"] == "a" and found["yes"] is True
    assert found.get("nothing") is None


@check("sql: a mistake is told, and no table made of it")
def mistakes(w):
    answer = w.cli("sql", "SELEC 1").fails("400 Bad Request", "Expected: an SQL statement, found: SELEC")
    assert answer.out.strip() == "", answer
    w.cli("sql", "SELECT nothing FROM sys_invocation").fails("nothing", "Http status code")
    w.cli("sql", "DELETE FROM sys_invocation").fails("Http status code 400")


@check("sql -w: follows what happens")
def watch(w):
    query = "SELECT id, status FROM sys_invocation WHERE target = 'Greeter/hold' AND status = 'running'"
    with w.cli.watch("sql", query) as screen:
        screen.shows("0 rows")
        invocation, tag = w.running()
        screen.shows(invocation)
        w.probe.open(tag)
        screen.shows("0 rows")
