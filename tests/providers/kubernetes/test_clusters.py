"""Which cluster is meant, and how a call says who it is."""

import base64
import json
import ssl
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from providers.base import Accepted, JobState, Misconfigured
from providers.kubernetes.clusters import Clusters, in_cluster
from providers.kubernetes.identities import Certificate, Nobody, Plugin, Proof, Token, TokenFile
from providers.kubernetes.kubeconfig import cluster_in
from providers.places import HostLacks
from tests.providers.kubernetes.builders import a_job, provider_for, seen, submitted

CA = "-----BEGIN CERTIFICATE-----\nnone\n-----END CERTIFICATE-----\n"


def encoded(text):
    return base64.b64encode(text.encode()).decode()


def a_kubeconfig(path: Path, *, cluster=None, user=None, context=None, name="c") -> Path:
    content = {
        "current-context": name,
        "clusters": [{"name": name, "cluster": {"server": "https://c.example.test:6443", **(cluster or {})}}],
        "users": [{"name": name, "user": user or {}}],
        "contexts": [{"name": name, "context": {"cluster": name, "user": name, **(context or {})}}],
    }
    path.write_text(yaml.safe_dump(content))
    return path


def entry(**fields):
    return Clusters({"c": fields}, {"TOKEN": "from-the-variable"}).cluster("c")


def bearer(identity):
    return identity.proof().headers["Authorization"]


def test_a_kubeconfig_is_read_as_kubectl_reads_it(tmp_path):
    (tmp_path / "ca.crt").write_text(CA)
    file = a_kubeconfig(
        tmp_path / "config",
        cluster={"certificate-authority": "ca.crt", "tls-server-name": "inner", "proxy-url": "http://p.example.test:3128"},
        user={"client-certificate-data": encoded("cert"), "client-key-data": encoded("key")},
        context={"namespace": "team"},
    )
    cluster = cluster_in([file], "")
    assert (cluster.server, cluster.ca, cluster.namespace) == ("https://c.example.test:6443", CA, "team")
    assert (cluster.tls_server_name, cluster.proxy) == ("inner", "http://p.example.test:3128")
    assert cluster.identity == Certificate("cert", "key")


def test_the_first_of_several_files_that_names_something_wins(tmp_path):
    first = a_kubeconfig(tmp_path / "1", name="one")
    second = a_kubeconfig(tmp_path / "2", name="two", cluster={"server": "https://two.example.test"})
    assert cluster_in([first, second], "").server == "https://c.example.test:6443"
    assert cluster_in([first, second], "two").server == "https://two.example.test"


@pytest.mark.parametrize(
    ("user", "identity"),
    [
        ({"token": "t"}, Token("t")),
        ({}, Nobody),
        ({"tokenFile": "/run/token"}, TokenFile("/run/token")),
    ],
)
def test_each_way_to_sign_in_that_a_kubeconfig_knows(tmp_path, user, identity):
    found = cluster_in([a_kubeconfig(tmp_path / "config", user=user)], "").identity
    assert found == identity or (identity is Nobody and found.proof() == Proof())


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"user": {"auth-provider": {"name": "gcp"}}}, "use an exec plug-in"),
        ({"user": {"username": "u", "password": "hush"}}, "basic authentication was removed"),
        ({"user": {"as": "somebody"}}, "impersonates nobody"),
        ({"cluster": {"server": "ftp://x"}}, "give https://host:port"),
        ({"cluster": {"certificate-authority": "missing.crt"}}, "certificate-authority: cannot be read here"),
        ({"cluster": {"certificate-authority-data": "%%%"}}, "is not base64"),
        ({"context": {"cluster": "other"}}, "there is no cluster 'other'; known: c"),
        ({"user": {"exec": {"args": []}}}, "names no command"),
    ],
)
def test_a_kubeconfig_that_cannot_be_used_says_why(tmp_path, fields, words):
    with pytest.raises(HostLacks) as problem:
        cluster_in([a_kubeconfig(tmp_path / "config", **fields)], "")
    assert words in str(problem.value)
    assert "hush" not in str(problem.value)


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({}, "give one of server, kubeconfig, in_cluster"),
        ({"server": "https://x", "in_cluster": True}, "give one of server, kubeconfig, in_cluster"),
        ({"sever": "https://x"}, "unknown keys: sever; the keys are"),
        ({"server": "https://x"}, "give token_file, token_variable, or cert_file and key_file"),
        ({"server": "https://u:hush@x", "token_variable": "TOKEN"}, "and no password"),
        ({"server": "https://x", "token_variable": "TOKEN", "ca_file": "/missing"}, "c.ca_file: cannot be read here"),
        ({"in_cluster": True}, "this is not a pod of a cluster"),
        ({"kubeconfig": "/missing"}, "kubeconfig /missing: cannot be read here"),
    ],
)
def test_an_entry_that_cannot_be_used_says_why(fields, words):
    with pytest.raises(HostLacks) as problem:
        entry(**fields)
    assert words in str(problem.value)
    assert "hush" not in str(problem.value)


def test_an_entry_needs_no_file_where_there_is_none():
    cluster = entry(server="https://x:6443/", ca_data=encoded(CA), token_variable="TOKEN", namespace="jobs")
    assert (cluster.server, cluster.ca, cluster.namespace) == ("https://x:6443", CA, "jobs")
    assert bearer(cluster.identity) == "Bearer from-the-variable"


def test_the_service_account_of_a_pod_is_read_anew_for_each_call(tmp_path):
    for name, text in (("token", "first"), ("ca.crt", CA), ("namespace", "jobs")):
        (tmp_path / name).write_text(text)
    environment = {"KUBERNETES_SERVICE_HOST": "fd00::1", "KUBERNETES_SERVICE_PORT": "6443"}
    cluster = in_cluster(environment, str(tmp_path))
    assert (cluster.server, cluster.ca, cluster.namespace) == ("https://[fd00::1]:6443", CA, "jobs")
    assert bearer(cluster.identity) == "Bearer first"
    (tmp_path / "token").write_text("second\n")
    assert bearer(cluster.identity) == "Bearer second"


def test_the_default_cluster_is_kubeconfig_then_the_pods_cluster_then_the_home_directory(tmp_path):
    first = a_kubeconfig(tmp_path / "first", cluster={"server": "https://first.example.test"})
    home = tmp_path / "home" / ".kube"
    home.mkdir(parents=True)
    a_kubeconfig(home / "config", cluster={"server": "https://home.example.test"})
    environment = {"HOME": str(tmp_path / "home")}
    assert Clusters({}, environment).cluster("").server == "https://home.example.test"
    environment["KUBERNETES_SERVICE_HOST"] = "10.0.0.1"
    with pytest.raises(HostLacks, match="in_cluster"):
        Clusters({}, environment).cluster("")
    environment["KUBECONFIG"] = str(first)
    assert Clusters({}, environment).cluster("").server == "https://first.example.test"
    with pytest.raises(HostLacks, match="set KUBECONFIG, run in a cluster, or add an entry"):
        Clusters({}, {"HOME": str(tmp_path / "nobody")}).cluster("")


def a_plugin(tmp_path, body):
    """A plug-in that counts its calls in a file."""
    program = tmp_path / "plugin.py"
    program.write_text(f"import json, os\nopen({str(tmp_path / 'calls')!r}, 'a').write('x')\n{body}\n")
    return Plugin([sys.executable, str(program)], {"REGION": "eu"}, "client.authentication.k8s.io/v1")


def calls(tmp_path):
    return len((tmp_path / "calls").read_text())


def test_a_plugins_token_is_kept_until_a_minute_before_it_ends_or_the_server_refuses_it(tmp_path):
    kept = a_plugin(
        tmp_path,
        "print(json.dumps({'status': {'token': os.environ['REGION'], 'expirationTimestamp': '2999-01-01T00:00:00Z'}}))",
    )
    assert [bearer(kept), bearer(kept)] == ["Bearer eu", "Bearer eu"]
    assert calls(tmp_path) == 1
    kept.renew()
    assert bearer(kept) == "Bearer eu"
    assert calls(tmp_path) == 2
    ended = a_plugin(tmp_path, "print(json.dumps({'status': {'token': 't', 'expirationTimestamp': '2020-01-01T00:00:00Z'}}))")
    assert [bearer(ended), bearer(ended)] == ["Bearer t", "Bearer t"]
    assert calls(tmp_path) == 4


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("raise SystemExit('not signed in')", "failed with exit code 1: not signed in"),
        ("print('hello')", "printed no ExecCredential"),
        ("print(json.dumps({'status': {}}))", "printed no ExecCredential"),
    ],
)
def test_a_plugin_that_gives_nothing_lets_the_run_wait_and_says_why(tmp_path, body, words):
    with pytest.raises(HostLacks, match=words):
        a_plugin(tmp_path, body).proof()


def test_a_plugin_that_is_not_installed_is_named(tmp_path):
    file = a_kubeconfig(tmp_path / "config", user={"exec": {"command": "no-such-plugin", "apiVersion": "v1"}})
    with pytest.raises(HostLacks, match="the plug-in 'no-such-plugin' that the kubeconfig names is not installed here"):
        cluster_in([file], "").identity.proof()


def test_a_token_that_is_refused_lets_runs_wait_and_the_next_one_is_asked_for(start, tmp_path):
    cluster = start(rbac=True)
    token = tmp_path / "token"
    token.write_text("expired")
    plugin = tmp_path / "plugin"
    plugin.write_text(f'#!/bin/sh\nprintf \'{{"status": {{"token": "%s"}}}}\' "$(cat {token})"\n')
    plugin.chmod(0o755)
    file = a_kubeconfig(tmp_path / "config", cluster={"server": cluster.url}, user={"exec": {"command": "./plugin"}})
    provider = provider_for(cluster, environment={"KUBECONFIG": str(file)})
    refused = provider.submit(a_job())
    assert isinstance(refused, Misconfigured)
    assert "does not accept the dispatcher's identity: Unauthorized" in refused.reason
    token.write_text(cluster.access.admin_token)
    assert isinstance(provider.submit(a_job()), Accepted)


def test_certificates_are_checked_and_shown_over_tls(cluster, tmp_path):
    for name in ("server", "client"):
        subject = ["-subj", f"/CN={name}", "-addext", "subjectAltName=DNS:inner.example.test"]
        files = ["-keyout", str(tmp_path / f"{name}.key"), "-out", str(tmp_path / f"{name}.crt")]
        command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "9"]
        subprocess.run([*command, *files, *subject], check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "server.crt", tmp_path / "server.key")
    context.load_verify_locations(tmp_path / "client.crt")
    context.verify_mode = ssl.CERT_REQUIRED
    listening = cluster._server._server
    listening.socket = context.wrap_socket(listening.socket, server_side=True)
    fields = {"server": cluster.url.replace("http:", "https:"), "ca_file": str(tmp_path / "server.crt")}
    fields |= {"cert_file": str(tmp_path / "client.crt"), "key_file": str(tmp_path / "client.key")}
    named = {**fields, "tls_server_name": "inner.example.test"}
    provider = provider_for(cluster, clusters={"named": named, "unnamed": fields})
    submission = submitted(provider, a_job(cluster_config="named"))
    assert seen(provider, submission).state is JobState.RUNNING
    assert "certificate" in provider.submit(a_job(cluster_config="unnamed")).cause.lower()


def test_no_token_stands_in_a_submission(cluster, provider):
    assert cluster.access.admin_token not in json.dumps(dict(submitted(provider).handle))
