"""Carries out compose.yaml and quorate.yaml with namespaces in the place of a container engine: see scripts/containers.

usage, as root in network, mount and process namespaces of its own: containers.py FOLDER
FOLDER/root is the image's file system.

What is looked at of the files: commands, environments (with what they refer to), users, volumes, secrets, probes, hooks,
times. What is not: scheduling, resources, the engine's own network.
"""

import json
import os
import re
import shutil
import subprocess
import sys
import time
import urllib.error
import urllib.request

import yaml

IMAGE_ENVIRONMENT = {}
WORK = sys.argv[1]
ROOT = f"{WORK}/root"
DEADLINE = 60


def run(*command, **options):
    return subprocess.run(command, check=True, **options)


def until(what, condition, seconds=DEADLINE):
    """Waits for a condition; the logs of all containers say why it does not come."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            for name in sorted(os.listdir(f"{WORK}/logs")):
                with open(f"{WORK}/logs/{name}", encoding="utf-8") as log:
                    print(name, *log.readlines()[-3:], sep="\n  ", file=sys.stderr)
            sys.exit(f"FAILED: not within {seconds} s: {what}")
        time.sleep(0.1)


def expect(holds, what):
    if not holds:
        sys.exit(f"FAILED: {what}")


class Container:
    """One container: a host on the bridge, whose names all others know."""

    made = 0

    def __init__(self, names, command, environment, volume, secret, hook=()):
        Container.made += 1
        self.names, self.command, self.hook = names, command, list(hook)
        self.environment = IMAGE_ENVIRONMENT | environment
        self.volume, self.secret = volume, secret
        self.netns, self.address = f"c{Container.made}", f"10.88.0.{10 + Container.made}"
        self.process = None
        run("ip", "netns", "add", self.netns)
        run("ip", "link", "add", f"v{self.netns}", "type", "veth", "peer", "name", "eth0", "netns", self.netns)
        run("ip", "link", "set", f"v{self.netns}", "master", "bridge", "up")
        inside = ("ip", "-n", self.netns)
        run(*inside, "link", "set", "lo", "up")
        run(*inside, "address", "add", f"{self.address}/24", "dev", "eth0")
        run(*inside, "link", "set", "eth0", "up")

    def inside(self, command):
        """A command in this container's namespaces and file system, as the image's user."""
        mounts = [f"mount --bind {ROOT} {ROOT}"]
        for source, target, options in self.mounts():
            mounts += [f"mount --bind {source} {ROOT}{target}"]
            if options:
                mounts += [f"mount -o remount,bind,{options} {ROOT}{target}"]
        # Everything but the volume can't be written.
        mounts += [f"mount -t proc proc {ROOT}/proc", f"mount -o remount,bind,ro {ROOT}"]
        user = "setpriv --reuid 7400 --regid 7400 --clear-groups --no-new-privs --bounding-set=-all"
        script = " && ".join([*mounts, f'exec chroot {ROOT} {user} -- "$@"'])
        return ["ip", "netns", "exec", self.netns, "unshare", "--mount", "--uts", "sh", "-ec",
                f"hostname {self.names[0]}; {script}", "sh", *command]

    def mounts(self):
        yield self.volume, "/var/lib/quorate", ""
        yield f"{WORK}/hosts", "/etc/hosts", "ro"
        for source, target in self.secret:
            yield source, target, "ro"

    def start(self):
        log = open(f"{WORK}/logs/{self.names[0]}", "a", encoding="utf-8")
        clean = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"}
        self.process = subprocess.Popen(self.inside(self.command), env=clean | self.environment, stdout=log, stderr=log)

    def execute(self, command):
        """As `exec` of the engine: whether it succeeded."""
        clean = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"}
        done = subprocess.run(self.inside(command), env=clean | self.environment, stdout=subprocess.DEVNULL,
                              stderr=subprocess.DEVNULL, check=False)
        return done.returncode == 0

    def stop(self, seconds):
        """The hook, SIGTERM, and the time that the file gives."""
        if self.hook:
            began = time.monotonic()
            expect(self.execute(self.hook), f"{self.names[0]}: the hook fails")
            said = self.ask("/health/ready")
            expect(said[0] == 200, f"{self.names[0]} should serve while the hook runs: {said}")
            seconds -= time.monotonic() - began
        self.process.terminate()
        code = self.process.wait(timeout=seconds)
        expect(code == 0, f"{self.names[0]} ended with {code}")

    def ask(self, path, method="GET", body=None, host=None):
        """Status and body, as a client, a probe or Prometheus asks: by the address."""
        request = urllib.request.Request(f"http://{self.address}:7400{path}", data=body, method=method)
        request.add_header("Content-Type", "application/json" if path == "/v1/tables" else "text/plain")
        if host:
            request.add_header("Host", host)
        try:
            with urllib.request.urlopen(request, timeout=5) as answer:
                return answer.status, answer.read()
        except urllib.error.HTTPError as error:
            return error.code, error.read()
        except OSError:
            return 0, b""

    def is_ready(self):
        return self.ask("/health/ready")[0] == 200


def folder(name, owner=0, mode=0o755):
    path = f"{WORK}/{name}"
    os.makedirs(path)
    os.chown(path, owner, owner)
    os.chmod(path, mode)
    return path


def secret_file(name, mode, group):
    path = f"{WORK}/{name}"
    with open(path, "w", encoding="ascii") as file:
        file.write(os.urandom(32).hex())
    os.chown(path, 0 if group else 7400, 7400)
    os.chmod(path, mode)
    return path


def write_hosts(containers):
    """What the engine's name server would say. The file is bound into containers: it stays the same file."""
    with open(f"{WORK}/hosts", "w", encoding="ascii") as hosts:
        print("127.0.0.1 localhost", file=hosts)
        for one in containers:
            print(one.address, *one.names, file=hosts)


def keeps_its_promises(containers, restart):
    """A table of three copies, a value through one and from another, all owners with their share; then each restarts."""
    first, *_, last = containers
    made = first.ask("/v1/tables", "POST", json.dumps({"name": "kept", "n": 3, "shards": 8}).encode())
    expect(made[0] == 201, f"a table of three copies: {made}")
    expect(first.ask("/v1/tables/kept/keys/k", "PUT", b"what was written before")[0] == 200, "a write")
    for one in containers:
        restart(one)
        until(f"{one.names[0]} is ready again", one.is_ready)
        expect(first.ask("/v1/tables/kept/keys/k")[1] == b"what was written before", "the value is there")
    expect(last.execute(["quorate", "--endpoint", f"{last.address}:7400", "status", "--check"]), "status --check is 0")
    nodes = json.loads(last.ask("/v1/cluster/nodes")[1])["nodes"]
    expect(len(nodes) == len(containers), f"{len(nodes)} members")
    expect(all(node["shards"] == 8 for node in nodes), "each member owns a copy of each shard")


def image():
    """What the Containerfile says beside its RUN lines, which scripts/containers has carried out."""
    with open("packaging/container/Containerfile", encoding="utf-8") as file:
        text = file.read()
    said = re.search(r"^ENV ((?:.*\\\n)*.*)$", text, re.MULTILINE).group(1).replace("\\\n", " ")
    IMAGE_ENVIRONMENT.update(pair.split("=", 1) for pair in said.split())
    lists = {word: json.loads(value) for word, value in re.findall(r"^(ENTRYPOINT|CMD) (\[.*\])$", text, re.MULTILINE)}
    return lists["ENTRYPOINT"], lists["CMD"]


def compose(entrypoint, command):
    with open("packaging/container/compose.yaml", encoding="utf-8") as file:
        text = file.read()

    def settings(name, found):
        # As the engine puts variables in, with their defaults.
        filled = re.sub(r"\$\{(\w+):-(\w*)\}", lambda match: found or match.group(2), text)
        return yaml.safe_load(filled)["services"][name]

    cluster = secret_file("cluster-secret", 0o400, group=False)
    names = list(yaml.safe_load(text)["services"])
    containers = []
    for name in names:
        service = settings(name, "true")
        # A new named volume begins as the image's folder does.
        volume = folder(f"volumes/{name}", 7400, 0o700)
        target = service["volumes"][0].split(":")[1]
        expect(target == "/var/lib/quorate", f"a volume at {target}")
        secrets = [(cluster, f"/run/secrets/{each}") for each in service["secrets"]]
        containers.append(Container([name], entrypoint + command, service["environment"], volume, secrets))
    os.makedirs(f"{ROOT}/run/secrets")
    open(f"{ROOT}/run/secrets/cluster", "w", encoding="ascii").close()
    write_hosts(containers)
    check = settings(names[0], "")["healthcheck"]["test"][1:]
    for one in containers:
        one.start()
    for one in containers:
        until(f"compose: the health check of {one.names[0]} succeeds", lambda one=one: one.execute(check))
    grace = int(settings(names[0], "")["stop_grace_period"].rstrip("s"))

    def restart(one):
        # Without FOUND, as from then on.
        one.stop(grace)
        expect(not one.execute(check), "a container that is not there is not healthy")
        one.environment = IMAGE_ENVIRONMENT | settings(one.names[0], "")["environment"]
        one.start()

    expect(any(one.environment.get("QUORATE_BOOTSTRAP") == "true" for one in containers), "one container founds")
    keeps_its_promises(containers, restart)
    expect(not any(one.environment.get("QUORATE_BOOTSTRAP") == "true" for one in containers), "none founds again")
    for one in containers:
        one.stop(grace)


def environment_of(pod, entries, config):
    """A pod's variables: values, fields, the map if it is there; `$(NAME)` is one that came before."""
    said = {}
    fields = {"metadata.name": pod, "metadata.namespace": "default"}
    for entry in entries:
        if "value" in entry:
            value = re.sub(r"\$\((\w+)\)", lambda match: said[match.group(1)], entry["value"])
        elif "fieldRef" in entry["valueFrom"]:
            value = fields[entry["valueFrom"]["fieldRef"]["fieldPath"]]
        else:
            reference = entry["valueFrom"]["configMapKeyRef"]
            expect(reference["optional"] and reference["name"] == "quorate-begin", f"{reference}")
            if reference["key"] not in config:
                continue
            value = config[reference["key"]]
        said[entry["name"]] = value
    return said


def kubernetes():
    with open("packaging/kubernetes/quorate.yaml", encoding="utf-8") as file:
        documents = [document for document in yaml.safe_load_all(file) if document]
    by_kind = {(document["kind"], document["metadata"]["name"]): document for document in documents}
    stateful = by_kind["StatefulSet", "quorate"]["spec"]
    template = stateful["template"]["spec"]
    (container,) = template["containers"]
    peers = by_kind["Service", stateful["serviceName"]]["spec"]
    labels = stateful["template"]["metadata"]["labels"].items()
    for service in (peers, by_kind["Service", "quorate"]["spec"]):
        expect(service["selector"].items() <= labels, "the services select the pods")
    expect(peers["publishNotReadyAddresses"], "pods that are not ready find each other")
    secret = secret_file("kubernetes-secret", 0o440, group=True)
    grace = template["terminationGracePeriodSeconds"]
    config = {"found": "quorate-0"}
    pods = []
    for ordinal in range(stateful["replicas"]):
        pod = f"quorate-{ordinal}"
        names = [pod, f"{pod}.{stateful['serviceName']}.default.svc"]
        # As a disk is mounted for fsGroup: of root, writable for the group, readable for all.
        volume = folder(f"volumes/{pod}")
        os.chown(volume, 0, 7400)
        os.chmod(volume, 0o2775)
        mounts = {mount["name"]: mount["mountPath"] for mount in container["volumeMounts"]}
        expect(mounts["data"] == "/var/lib/quorate", "the volume's place")
        secrets = [(secret, f"{mounts['secret']}/secret")]
        pods.append(Container(names, container["command"], environment_of(pod, container["env"], config), volume,
                              secrets, container["lifecycle"]["preStop"]["exec"]["command"]))
    os.makedirs(f"{ROOT}/run/quorate", exist_ok=True)
    open(f"{ROOT}/run/quorate/secret", "w", encoding="ascii").close()
    write_hosts(pods)
    ready = container["readinessProbe"]["httpGet"]["path"]
    alive = container["livenessProbe"]["httpGet"]["path"]
    for pod in pods:
        pod.start()
    for pod in pods:
        until(f"kubernetes: {pod.names[0]} is ready", lambda pod=pod: pod.ask(ready)[0] == 200)
        expect(pod.ask(alive)[0] == 200, "it is alive")
        for host in ("quorate", "quorate.default.svc.cluster.local:7400"):
            expect(pod.ask(ready, host=host)[0] == 200, f"it answers to the name of the service, {host}")
    config.clear()

    def restart(pod):
        pod.stop(grace)
        pod.environment = IMAGE_ENVIRONMENT | environment_of(pod.names[0], container["env"], config)
        pod.start()

    keeps_its_promises(pods, restart)

    # A disk is lost: told what it was, the pod comes back as that, and fills itself.
    lost = pods[1]
    lost.process.kill()
    lost.process.wait()
    shutil.rmtree(f"{lost.volume}/data")
    config["replace"] = lost.names[0]
    lost.environment = IMAGE_ENVIRONMENT | environment_of(lost.names[0], container["env"], config)
    lost.start()
    until(f"kubernetes: {lost.names[0]} is back from a lost disk", lost.is_ready)
    config.clear()
    restart(lost)
    until(f"kubernetes: {lost.names[0]} is ready without being told what it was", lost.is_ready)
    expect(lost.ask("/v1/tables/kept/keys/k")[1] == b"what was written before", "the value is there")
    nodes = json.loads(lost.ask("/v1/cluster/nodes")[1])["nodes"]
    expect(len(nodes) == len(pods), f"{len(nodes)} members after a lost disk")
    for pod in pods:
        # The last ones have no quorum any more, and are not ready for that.
        pod.hook = []
        pod.stop(grace)


def main():
    run("mount", "--make-rprivate", "/")
    run("mount", "-t", "tmpfs", "tmpfs", "/run")
    run("ip", "link", "set", "lo", "up")
    run("ip", "link", "add", "bridge", "type", "bridge")
    run("ip", "address", "add", "10.88.0.1/24", "dev", "bridge")
    run("ip", "link", "set", "bridge", "up")
    os.makedirs(f"{WORK}/logs")
    open(f"{ROOT}/etc/hosts", "w", encoding="ascii").close()
    entrypoint, command = image()
    compose(entrypoint, command)
    kubernetes()
    print("PASS: three containers of compose.yaml and three pods of quorate.yaml were founded, restarted one after the "
          "other, and one came back from a lost disk")


main()
