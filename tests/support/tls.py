"""A certification authority of a test's own, and the certificate of a server on this machine."""

import ipaddress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from secrets import token_hex

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from penstock.local.processes import LOOPBACK


@dataclass(frozen=True)
class Certificates:
    """The files of an authority and of a server whose certificate is for 127.0.0.1 alone.

    Attributes:
        ca: the authority's certificate.
        certificate: the server's certificate.
        key: the server's private key.
    """

    ca: Path
    certificate: Path
    key: Path


def make_certificates(folder: Path) -> Certificates:
    """Make an authority and a server's certificate that it signed."""
    authority, private = _name(f"authority {token_hex(4)}"), ec.generate_private_key(ec.SECP256R1())
    root = _builder(authority, authority, private.public_key()).add_extension(
        x509.BasicConstraints(ca=True, path_length=0), critical=True
    )
    key = ec.generate_private_key(ec.SECP256R1())
    alternative = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(LOOPBACK))])
    server = _builder(_name("server"), authority, key.public_key()).add_extension(alternative, critical=False)
    made = Certificates(folder / "ca.pem", folder / "server.pem", folder / "server.key")
    for builder, file in ((root, made.ca), (server, made.certificate)):
        file.write_bytes(builder.sign(private, hashes.SHA256()).public_bytes(serialization.Encoding.PEM))
    made.key.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    return made


def _name(common: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common)])


def _builder(subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
    )
