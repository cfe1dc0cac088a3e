"""Listing a hundred tickets out of ten thousand and out of a million, over HTTP (design, section 10).

Run `script/bench listing`. It starts the service, fills its database twice with plain SQL and asks for the same lists each
time: the XML interface by period, campaign, status, own reference and from a cursor in the middle, and the dashboard's
page. A list may take half as long again when a hundred times as many tickets lie beside it.
"""

import argparse
import asyncio
import http.client
import statistics
import sys
import tempfile
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import urlencode

from processes import memory
from serving import Served, end_on_sigterm, load, served, sign_in

from sealpost import bootstrap
from sealpost.store.pool import connector

LISTED = 100
ALLOWED = 1.5
# One second between two tickets, newest last; each campaign and reference has LISTED of them, one status in fifty is 90.
FILL = """
with given as materialized (
    select n, to_timestamp($3::bigint + n) as at,
           (lpad(to_hex(($3::bigint + n) * 1000), 12, '0') || '70008000' || lpad(to_hex(n), 12, '0'))::uuid as id
    from generate_series($1::int, $2::int) n
), message as (
    insert into messages (id, account_id, sender_email, sender_name, subject, parts, segment, "offset", length, nonce, submitted_at)
    select id, $4, 'alice@example.org', 'Alice', 'Notice ' || n,
           '[{"name": "message_body", "content_type": "text/plain", "size": 1, "sha256": "00"}]', id, 0, 1, '', at from given
), record as (
    insert into records (ticket_id, seq, kind, evidence_id, at, octets, sha256, salt)
    select id, seq, kind, id, at, convert_to('{"Extensions":[{"sealpost/1":{"smtp":{"final":"250 2.0.0 ok"}}}]}', 'UTF8'), '', ''
    from given, (values (1, 'submitted'), (2, 'announcement_offered'), (3, 'announcement_accepted')) as kinds(seq, kind)
)
insert into tickets (id, token, account_id, message_id, recipient_email, recipient_key, recipient_name, language, own_id, own_guid,
    campaign, address_basis, delegate, method, authenticated_at, submitted_at, expire_at, status, last_seq, last_sha256, sender_key)
select id, 'K.' || lpad(n::text, 22, '0'), $4, id, 'bob@example.com', 'bob@example.com', 'Bob', 'nl', 'own ' || n, '',
    'campaign ' || n / 100, '', 'client:x', 'basic', at, at, at + interval '12 days', case when n % 50 = 0 then 90 else 30 end,
    3, '', 'alice@example.org'
from given
"""


@dataclass(frozen=True)
class Filled:
    """How many tickets there are now, and the second before the first."""

    count: int
    began: int


async def fill(service: Served, filled: Filled, count: int) -> Filled:
    """Adds tickets up to ``count``, in pieces, and lets PostgreSQL tidy up and look at what it has."""
    async with bootstrap.database(service.settings) as dsn:
        connection = await connector(dsn)()
        account = await connection.fetchval("select max(id) from accounts")
        for first in range(filled.count + 1, count + 1, 50_000):
            await connection.execute(FILL, first, min(first + 49_999, count), filled.began, account)
        await connection.execute("vacuum analyze")
        await connection.execute("checkpoint")
        await connection.close()
    return Filled(count, filled.began)


def lists(filled: Filled) -> dict[str, str]:
    """The lists that are asked for, each of ``LISTED`` tickets (the dashboard's of fifty)."""
    middle = filled.began + filled.count // 2
    whole = {"from": stamp(filled.began), "to": stamp(filled.began + filled.count + 1), "limit": str(LISTED)}
    cursor = f"{middle * 1000:012x}70008000{filled.count // 2:012x}"
    return {
        "XML, a period of 100": xml({"from": stamp(middle), "to": stamp(middle + LISTED)}),
        "XML, first 100 of all": xml(whole),
        "XML, 100 from a cursor": xml(whole | {"cursor": cursor}),
        "XML, a campaign of 100": xml(whole | {"campaign": f"campaign {filled.count // 200}"}),
        "XML, 100 of a rare status": xml(whole | {"status": "90"}),
        "XML, one own reference": xml(whole | {"x-own-id": f"own {filled.count // 2}"}),
        "dashboard, first page": "/dashboard/",
    }


def xml(query: dict[str, str]) -> str:
    return f"/webservice/xml/?{urlencode(query)}"


def stamp(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat().replace("+00:00", "Z")


def measure(service: Served, filled: Filled, rounds: int) -> dict[str, float]:
    """Median milliseconds of each list, asked for in turns over one connection."""
    asked = lists(filled)
    times: dict[str, list[float]] = {name: [] for name in asked}
    cookie = sign_in(service)
    connection = http.client.HTTPConnection("127.0.0.1", service.settings.port, timeout=60)
    for _ in range(rounds):
        for name, path in asked.items():
            began = time.perf_counter()
            connection.request("GET", path, headers={"Authorization": f"Bearer {service.token}", "Cookie": cookie})
            response = connection.getresponse()
            octets = response.read()
            times[name].append((time.perf_counter() - began) * 1000)
            assert response.status == 200, octets
            check(name, octets)
    connection.close()
    return {name: statistics.median(found[len(found) // 10 :]) for name, found in times.items()}


def measure_month(service: Served, filled: Filled) -> str:
    """The longest answer there is, a hundred thousand tickets in one stream: seconds, and what it adds to memory."""
    connection = http.client.HTTPConnection("127.0.0.1", service.settings.port, timeout=300)
    before, peak, octets, began = memory(service.processes, "RssAnon"), 0.0, 0, time.perf_counter()
    path = xml({"from": stamp(filled.began), "to": stamp(filled.began + filled.count + 1)})
    connection.request("GET", path, headers={"Authorization": f"Bearer {service.token}"})
    response = connection.getresponse()
    tickets, rest = 0, b""
    while piece := response.read(1 << 20):
        octets += len(piece)
        tickets += (rest + piece).count(b"<biljet ") - rest.count(b"<biljet ")
        rest = piece[-7:]
        peak = max(peak, memory(service.processes, "RssAnon"))
    connection.close()
    seconds = time.perf_counter() - began
    return f"{tickets:,} tickets in one answer: {octets / 1e6:.0f} MB in {seconds:.1f} s, {peak - before:+.1f} MiB of memory"


def check(name: str, octets: bytes) -> None:
    """A list that is fast because it is empty is no result."""
    expected = {"XML, one own reference": 1}.get(name, LISTED)
    found = octets.count(b"<biljet ") if name.startswith("XML") else LISTED * (octets.count(b"Notice ") >= 50)
    assert found == expected, (name, found)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--few", type=int, default=10_000)
    parser.add_argument("--many", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=60)
    given = parser.parse_args()
    end_on_sigterm()
    with tempfile.TemporaryDirectory(prefix="sealpost-bench-") as folder, served(Path(folder)) as service:
        filled = Filled(0, int((datetime.now(UTC) - timedelta(days=30)).timestamp()))
        results: list[dict[str, float]] = []
        for count in (given.few, given.many):
            began = time.monotonic()
            filled = asyncio.run(fill(service, filled, count))
            print(f"{count:,} tickets, filled in {time.monotonic() - began:.0f} s; load {load()}", flush=True)
            results.append(measure(service, filled, given.rounds))
        month = measure_month(service, filled)
    few, many = results
    print(f"\n{'':28}{given.few:>12,}{given.many:>12,}   ratio (at most {ALLOWED})")
    for name in few:
        print(f"{name:28}{few[name]:>9.2f} ms{many[name]:>9.2f} ms   {many[name] / few[name]:.2f}")
    worst = max(many[name] / few[name] for name in few)
    print(f"\nworst ratio {worst:.2f}; {month}")
    sys.exit(worst > ALLOWED)


if __name__ == "__main__":
    main()
