"""Which engine is meant, and the three ways to it: a socket, TCP with TLS, ssh."""

import datetime
import ipaddress
import json
import os
import shutil
import socket
import ssl
import threading
from contextlib import closing, contextmanager, suppress

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from providers.base import Accepted, Misconfigured, Unknown, Unreachable
from providers.docker.dialling import ssh_command
from providers.docker.hosts import Host, HostLacks, Hosts, default_host

NOW = datetime.datetime.now(datetime.UTC)


@pytest.fixture
def certificates(tmp_path):
    """A folder with a CA, and a pair of it for the engine and one for the client."""
    authority_key, authority = signed("authority", None)
    (tmp_path / "ca.pem").write_bytes(authority.public_bytes(serialization.Encoding.PEM))
    for name in ("server", "client"):
        key, certificate = signed(name, (authority_key, authority))
        (tmp_path / f"{name}.pem").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        form = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        (tmp_path / f"{name}-key.pem").write_bytes(key.private_bytes(serialization.Encoding.PEM, *form))
    return tmp_path


def signed(name, authority):
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    signer, issuer = (authority[0], authority[1].subject) if authority else (key, subject)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(NOW - datetime.timedelta(days=1))
        .not_valid_after(NOW + datetime.timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=authority is None, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), critical=False)
        .add_extension(usage(ca=authority is None), critical=True)
    )
    return key, builder.sign(signer, hashes.SHA256())


def usage(*, ca):
    others = ("content_commitment", "key_encipherment", "data_encipherment", "key_agreement", "encipher_only", "decipher_only")
    return x509.KeyUsage(digital_signature=True, key_cert_sign=ca, crl_sign=ca, **dict.fromkeys(others, False))


@contextmanager
def tls_in_front_of(engine, certificates):
    """The engine on a port that lets in nobody but clients with a certificate."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=str(certificates / "ca.pem"))
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_cert_chain(certificates / "server.pem", certificates / "server-key.pem")
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve():
            while True:
                try:
                    client, _ = listening.accept()
                except OSError:
                    return
                threading.Thread(target=carry, args=(client, context, engine), daemon=True).start()

        threading.Thread(target=serve, daemon=True).start()
        yield listening.getsockname()[1]


def carry(client, context, engine):
    far = socket.socket(socket.AF_UNIX)
    with client, closing(far), suppress(OSError), context.wrap_socket(client, server_side=True) as near:
        far.connect(engine.socket.removeprefix("unix://"))
        threading.Thread(target=pump, args=(far, near), daemon=True).start()
        pump(near, far)


def pump(source, target):
    with suppress(OSError, ValueError):
        while piece := source.recv(65536):
            target.sendall(piece)
    with suppress(OSError):
        target.shutdown(socket.SHUT_WR)


def named(harness, entry, **options):
    return harness.another(docker_hosts={"there": entry}, **options)


def on(harness, host="there"):
    return harness.job(configuration={**harness.configuration(), "docker_host": host})


def tls_entry(certificates, port, client=True):
    pair = {"cert_file": str(certificates / "client.pem"), "key_file": str(certificates / "client-key.pem")} if client else {}
    return {"url": f"tcp://127.0.0.1:{port}", "ca_file": str(certificates / "ca.pem"), **pair}


def test_a_host_may_be_a_socket(harness):
    job = on(harness)
    submission = named(harness, {"url": harness.engine.socket}).submit(job).submission
    assert submission.handle["docker_host"] == "there"
    assert harness.starts(job.name) == 1


def test_tls_lets_a_client_with_a_certificate_in_whatever_bundle_the_environment_names(harness, certificates, monkeypatch):
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificates / "client.pem"))
    job = on(harness)
    with tls_in_front_of(harness.engine, certificates) as port:
        assert isinstance(named(harness, tls_entry(certificates, port)).submit(job), Accepted)
    assert harness.starts(job.name) == 1


def test_tls_without_a_certificate_starts_nothing(harness, certificates):
    job = on(harness)
    with tls_in_front_of(harness.engine, certificates) as port:
        outcome = named(harness, tls_entry(certificates, port, client=False)).submit(job)
    assert isinstance(outcome, Unknown | Unreachable), outcome
    assert harness.starts(job.name) == 0


def test_an_engine_with_a_foreign_certificate_is_unreachable(harness, certificates, tmp_path):
    _, stranger = signed("stranger", None)
    (tmp_path / "stranger.pem").write_bytes(stranger.public_bytes(serialization.Encoding.PEM))
    with tls_in_front_of(harness.engine, certificates) as port:
        entry = {**tls_entry(certificates, port), "ca_file": str(tmp_path / "stranger.pem")}
        assert isinstance(named(harness, entry).submit(on(harness)), Unreachable)


@pytest.fixture
def ssh(harness, tmp_path, monkeypatch):
    """A program `ssh` that notes its words, and speaks with the engine as one at the far side would."""
    docker = shutil.which("docker", path="/usr/bin:/usr/local/bin")
    program = tmp_path / "bin" / "ssh"
    program.parent.mkdir()
    program.write_text(
        f'#!/bin/sh\necho "$*" >> {tmp_path}/words\nexec env DOCKER_HOST={harness.engine.socket} {docker} system dial-stdio\n'
    )
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")
    return program


def test_ssh_carries_the_engines_protocol(harness, ssh, tmp_path):
    job = on(harness)
    provider = named(harness, {"url": "ssh://jobs@gpu.example.test:2222"})
    submission = provider.submit(job).submission
    assert harness.starts(job.name) == 1
    harness.finish(job.name, 3)
    assert provider.observe([submission])[job.name].exit_code == 3
    words = (tmp_path / "words").read_text().splitlines()
    assert set(words) == {"-o BatchMode=yes -l jobs -p 2222 -- gpu.example.test docker system dial-stdio"}
    assert len(words) < 5, "connections are used again"


def test_the_error_output_of_a_failed_ssh_is_reported(harness, ssh):
    ssh.write_text("#!/bin/sh\necho 'jobs@gpu: Permission denied (publickey).' >&2\nexit 255\n")
    outcome = named(harness, {"url": "ssh://jobs@gpu.example.test"}).submit(on(harness))
    assert isinstance(outcome, Unknown | Unreachable)
    assert "Permission denied (publickey)" in outcome.cause


def test_a_host_name_is_never_an_option_of_ssh():
    with pytest.raises(HostLacks):
        Hosts({"there": {"url": "ssh://-oProxyCommand=true"}}).host("there")
    assert ssh_command("ssh://gpu")[-5:] == ("--", "gpu", "docker", "system", "dial-stdio")


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        ({}, "give unix:///path, tcp://host:port or ssh://user@host"),
        ({"url": "http://host:2375"}, "give unix:///path"),
        ({"url": "tcp://host"}, "tcp://host:port"),
        ({"url": "ssh://user:secret@host"}, "no password"),
        ({"url": "ssh://host/path"}, "give ssh://user@host"),
        ({"url": "unix:///run/docker.sock", "tls": True}, "are for tcp:// alone"),
        ({"url": "tcp://host:1", "ca_file": "/no/such/ca.pem"}, "no such file that can be read here: /no/such/ca.pem"),
        ({"url": "tcp://host:1", "cert_file": "/etc/hostname"}, "give cert_file and key_file together"),
        ({"url": "unix:///run/docker.sock", "key": "hush"}, "unknown key"),
    ],
)
def test_an_entry_that_cannot_be_used_says_why_and_no_run_is_at_fault(entry, words):
    with pytest.raises(HostLacks, match=words):
        Hosts({"there": entry}).host("there")


def test_an_engine_that_is_not_there_is_unreachable_and_one_that_is_not_named_is_misconfigured(harness):
    assert isinstance(harness.unreachable().submit(harness.job()), Unreachable)
    assert isinstance(harness.provider.submit(on(harness, "nowhere")), Misconfigured)


def test_tcp_without_tls_has_to_be_asked_for():
    assert Hosts({"there": {"url": "tcp://127.0.0.1:2375"}}).host("there").tls
    assert not Hosts({"there": {"url": "tcp://127.0.0.1:2375", "tls": False}}).host("there").tls


# The default, as the Docker CLI finds it


def test_docker_host_overrides_the_docker_context(certificates):
    assert default_host({"DOCKER_HOST": "unix:///here.sock", "DOCKER_CONTEXT": "other"}) == Host(url="unix:///here.sock")
    assert default_host({"DOCKER_HOST": "tcp://there:2375"}) == Host(url="tcp://there:2375")
    verified = default_host({"DOCKER_HOST": "tcp://there:2376", "DOCKER_TLS_VERIFY": "1", "DOCKER_CERT_PATH": "/certs"})
    files = {"ca_file": "/certs/ca.pem", "cert_file": "/certs/cert.pem", "key_file": "/certs/key.pem"}
    assert verified == Host(url="tcp://there:2376", tls=True, verify=True, **files)


def test_without_docker_host_the_current_context_is_used_and_then_the_default_socket(tmp_path, monkeypatch):
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    (tmp_path / "config.json").write_text("{}")
    assert default_host({}) == Host(url="unix:///var/run/docker.sock")
    from docker.context.config import get_meta_file  # noqa: PLC0415 - it reads the variable when it is imported

    meta = get_meta_file("gpu")
    os.makedirs(os.path.dirname(meta))
    context = {"Name": "gpu", "Metadata": {}, "Endpoints": {"docker": {"Host": "ssh://jobs@gpu", "SkipTLSVerify": False}}}
    with open(meta, "w") as file:
        json.dump(context, file)
    assert default_host({"DOCKER_CONTEXT": "gpu"}) == Host(url="ssh://jobs@gpu")
    (tmp_path / "config.json").write_text(json.dumps({"currentContext": "gpu"}))
    assert default_host({}) == Host(url="ssh://jobs@gpu")


def test_a_context_that_is_not_there_is_not_taken_for_the_usual_socket(tmp_path, monkeypatch):
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(HostLacks, match="'absent'"):
        default_host({"DOCKER_CONTEXT": "absent"})
