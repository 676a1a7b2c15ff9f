"""Addresses and networks, as settings list them and as connections have them."""

from collections.abc import Iterable, Sequence
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

from app.words import say

Networks = Sequence[IPv4Network | IPv6Network]


def networks_of(listed: Iterable[str]) -> Networks:
    """Addresses and networks as they are compared. Raises ValueError for what is none, and for one that holds all addresses."""
    found = [ip_network(each.strip(), strict=False) for each in listed]
    if any(network.prefixlen == 0 for network in found):
        raise ValueError(say("networks.all"))
    return found


def is_in(address: str, networks: Networks) -> bool:
    """Whether an address is in one of these networks; what is none is in no network."""
    try:
        found = ip_address(plain(address))
    except ValueError:
        return False
    return any(found in network for network in networks)


def plain(address: str) -> str:
    """An IPv4 address as such, also where a socket of IPv6 has it."""
    try:
        found = ip_address(address)
    except ValueError:
        return address
    mapped = found.ipv4_mapped if isinstance(found, IPv6Address) else None
    return str(mapped or found)
