"""What a service does over its life, through a client library made for Consul.

Usage: python.py HOST:PORT HOST:PORT - the HTTP interfaces of two agents of one cluster. Runs with
python-consul2 and with py-consul; what fails is told by an exception and the exit status.
"""

import base64
import sys
import threading
import time

import consul

PATIENCE = 60


def client(address):
    host, port = address.rsplit(":", 1)
    return consul.Consul(host=host, port=int(port))


def equal(found, expected):
    assert found == expected, f"{found!r} instead of {expected!r}"


def until(read, wanted):
    """Reads, and reads again at each change, until it is as wanted. Gives what was read."""
    end = time.monotonic() + PATIENCE
    index, found = read(None)
    while not wanted(found):
        assert time.monotonic() < end, f"not within {PATIENCE} s; last: {found!r}"
        index, found = read(index)
    return found


def agent(alpha):
    own = alpha.agent.self()
    equal(own["Member"]["Name"], own["Config"]["NodeName"])
    equal(sorted(member["Name"] for member in alpha.agent.members()), ["alpha", "bravo"])
    assert alpha.status.leader(), "nobody to ask"
    equal(len(alpha.status.peers()), 2)
    return own["Config"]["NodeName"]


def services(alpha, bravo):
    check = consul.Check.ttl("10m")
    equal(
        alpha.agent.service.register(
            "web", service_id="web-1", address="10.0.0.1", port=8001, tags=["v1", "blue"], check=check
        ),
        True,
    )
    own = alpha.agent.services()["web-1"]
    equal((own["Service"], own["Port"], own["Tags"]), ("web", 8001, ["v1", "blue"]))
    equal(alpha.agent.checks()["service:web-1"]["Status"], "critical")

    # The other agent hears of it, and of each change.
    everywhere = until(lambda index: bravo.health.service("web", index=index, wait="10s"), bool)
    equal([entry["Node"]["Node"] for entry in everywhere], ["alpha"])
    equal(bravo.health.service("web", passing=True)[1], [])
    equal(alpha.agent.check.ttl_pass("service:web-1", "fine"), True)
    passing = until(lambda index: bravo.health.service("web", index=index, passing=True, wait="10s"), bool)
    equal(passing[0]["Service"]["Port"], 8001)
    equal(bravo.health.service("web", tag="green")[1], [])
    equal(len(bravo.health.service("web", tag="blue")[1]), 1)
    output = [check["Output"] for check in bravo.health.checks("web")[1]]
    equal(output, ["fine"])
    equal(bravo.catalog.services()[1]["web"], ["blue", "v1"])
    equal(bravo.catalog.service("web", tag="v1")[1][0]["ServiceID"], "web-1")
    equal(bravo.catalog.node("alpha")[1]["Services"]["web-1"]["Port"], 8001)
    equal(sorted(node["Node"] for node in bravo.catalog.nodes(near="bravo")[1]), ["alpha", "bravo"])
    equal(bravo.catalog.datacenters(), ["dc1"])
    assert any(check["CheckID"] == "service:web-1" for check in bravo.health.state("passing")[1])
    assert any(check["CheckID"] == "service:web-1" for check in bravo.health.node("alpha")[1])

    equal(alpha.agent.check.ttl_warn("service:web-1", "slow"), True)
    equal(alpha.agent.check.ttl_fail("service:web-1", "down"), True)
    critical = lambda checks: [check["Status"] for check in checks] == ["critical"]
    until(lambda index: bravo.health.checks("web", index=index, wait="10s"), critical)


def waiting(alpha, bravo):
    """Somebody who waits is woken by the change, and not before it."""
    index, _ = bravo.health.service("late")
    woken = []
    waiter = threading.Thread(
        target=lambda: woken.append(bravo.health.service("late", index=index, wait="50s")), daemon=True
    )
    waiter.start()
    waiter.join(0.5)
    assert waiter.is_alive(), "woken by nothing"
    alpha.agent.service.register("late", port=1)
    waiter.join(PATIENCE)
    assert not waiter.is_alive(), "not woken"
    later, found = woken[0]
    assert int(later) > int(index), (later, index)
    equal([entry["Service"]["Port"] for entry in found], [1])
    # Without a change the time runs out, and nothing else is said.
    begin = time.monotonic()
    again, _ = bravo.health.service("late", index=later, wait="1s")
    assert time.monotonic() - begin >= 0.9, "it did not wait"
    equal(int(again), int(later))


def checks_and_maintenance(alpha):
    equal(alpha.agent.check.register("lone", check=consul.Check.ttl("10m"), check_id="lone"), True)
    equal(alpha.agent.check.ttl_pass("lone"), True)
    equal(alpha.agent.checks()["lone"]["Status"], "passing")
    equal(alpha.agent.service.maintenance("web-1", "true", "work"), True)
    equal(alpha.agent.checks()["_service_maintenance:web-1"]["Notes"], "work")
    equal(alpha.agent.service.maintenance("web-1", "false"), True)
    equal(alpha.agent.maintenance("true", "all"), True)
    equal(alpha.agent.checks()["_node_maintenance"]["Status"], "critical")
    equal(alpha.agent.maintenance("false"), True)
    equal(alpha.agent.check.deregister("lone"), True)
    equal(sorted(alpha.agent.checks()), ["service:web-1"])


def events(alpha, bravo):
    fired = alpha.event.fire("deploy", "v2")
    assert fired["ID"], fired
    named = lambda found: [event["Payload"] for event in found if event["Name"] == "deploy"]
    found = until(lambda index: bravo.event.list(name="deploy", index=index, wait="10s"), named)
    # One of the two libraries decodes it.
    assert named(found)[0] in (b"v2", base64.b64encode(b"v2").decode()), found


def outsiders(alpha, bravo):
    """Nodes without an agent."""
    service = {"ID": "db-1", "Service": "db", "Port": 5432, "Tags": ["primary"]}
    equal(alpha.catalog.register("rack", "10.9.9.9", service=service), True)
    found = until(lambda index: bravo.catalog.service("db", index=index, wait="10s"), bool)
    equal((found[0]["Node"], found[0]["Address"], found[0]["ServicePort"]), ("rack", "10.9.9.9", 5432))
    equal(alpha.catalog.deregister("rack"), True)
    until(lambda index: bravo.catalog.service("db", index=index, wait="10s"), lambda found: not found)


def goodbye(alpha, bravo):
    for service in ["web-1", "late"]:
        equal(alpha.agent.service.deregister(service), True)
    gone = lambda services: not {"web", "late"} & set(services)
    until(lambda index: bravo.catalog.services(index=index, wait="10s"), gone)


def no_store(alpha):
    """An absent key and an absent store are not the same."""
    try:
        alpha.kv.get("a")
    except consul.ConsulException as error:
        assert "501" in str(error), error
    else:
        raise AssertionError("a key without a store")


def main(addresses):
    alpha, bravo = map(client, addresses)
    equal(agent(alpha), "alpha")
    services(alpha, bravo)
    waiting(alpha, bravo)
    checks_and_maintenance(alpha)
    events(alpha, bravo)
    outsiders(alpha, bravo)
    goodbye(alpha, bravo)
    no_store(alpha)
    print("done")


if __name__ == "__main__":
    main(sys.argv[1:])
