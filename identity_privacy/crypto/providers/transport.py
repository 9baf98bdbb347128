"""Whether keys on their way to a key management service could be read by whoever listens; loads no client of any."""

import ipaddress
import os
from urllib.parse import parse_qs, urlsplit


def goes_in_the_clear(root_key_url: str) -> bool:
    """Whether this root key is asked for by plain HTTP, as the address or AWS's own variables say."""
    if root_key_url.startswith("awskms:"):
        return is_plain(aws_endpoint(root_key_url))
    return root_key_url.startswith("vault+http:")


def aws_endpoint(root_key_url: str) -> str:
    """The endpoint that the address names, or else AWS's own variables; empty for AWS's own."""
    named = parse_qs(urlsplit(root_key_url).query).get("endpoint", [""])[0]
    return named or os.environ.get("AWS_ENDPOINT_URL_KMS", "") or os.environ.get("AWS_ENDPOINT_URL", "")


def is_plain(endpoint: str) -> bool:
    """Whether an endpoint is named and is not HTTPS."""
    return bool(endpoint) and urlsplit(endpoint).scheme.lower() != "https"


def is_loopback(host: str) -> bool:
    """Whether a host's name or address is this machine's own, which nobody else listens to."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.lower().rstrip(".") == "localhost"
