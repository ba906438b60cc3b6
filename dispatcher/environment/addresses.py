"""Where messages may be sent: the rule for a hook's URL, asked when settings are read and again before each delivery."""

from __future__ import annotations

from urllib.parse import SplitResult, urlsplit

METADATA_HOSTS = frozenset({"metadata", "metadata.google.internal", "metadata.goog", "instance-data"})
"""Names under which clouds serve the credentials of their machines."""
_METADATA_ADDRESSES = frozenset({"fd00:ec2::254", "fd20:ce::254", "100.100.100.200", "168.63.129.16"})
"""Those of AWS, Google, Alibaba and Azure outside the link-local range."""


def url_fault(url: str, *, link_local: bool = False) -> str:
    """What keeps the URL from being used, without repeating it (it may hold a secret); empty when nothing does.

    It must be HTTPS, or HTTP to this machine itself. Link-local addresses and metadata services are refused unless
    `link_local` allows them. Names are not resolved here: `is_guarded` judges what they resolve to.
    """
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        return "must be a URL that can be read"
    if not host or not _is_encrypted_or_local(parts):
        return "must begin with https:// (http:// only for this machine itself)"
    if not link_local and (host.rstrip(".") in METADATA_HOSTS or is_guarded(host)):
        return 'is that of a metadata service or a link-local address; "allow_link_local": true allows it'
    return ""


def is_guarded(address: str) -> bool:
    """True for a numeric address that is link-local or that of a metadata service; false for a name."""
    from ipaddress import IPv6Address, ip_address  # noqa: PLC0415 - only for who has hooks

    try:
        ip = ip_address(address.partition("%")[0])
    except ValueError:
        return False
    plain = ip.ipv4_mapped or ip if isinstance(ip, IPv6Address) else ip
    return plain.is_link_local or str(plain) in _METADATA_ADDRESSES


def is_loopback(host: str) -> bool:
    """True for `localhost` and the addresses of this machine itself."""
    from ipaddress import ip_address  # noqa: PLC0415 - only for who has hooks

    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


def _is_encrypted_or_local(parts: SplitResult) -> bool:
    return parts.scheme == "https" or (parts.scheme == "http" and is_loopback(parts.hostname or ""))
