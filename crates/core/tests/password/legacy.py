"""Makes legacy.json: hashes of known passwords, each by the library that other systems make them with.

The tests read the file and need no Python. To make it again, with the versions that are named in it:

    pip install argon2-cffi==25.1.0 bcrypt==4.3.0 django==5.2.19 passlib==1.7.4 werkzeug==2.3.8
    python legacy.py > legacy.json
"""

import hashlib
import json
import warnings
from importlib.metadata import version

import argon2
import bcrypt
import django
from django.conf import settings
from passlib import hash as passlib
from werkzeug.security import generate_password_hash as werkzeug

settings.configure(PASSWORD_HASHERS=[
    "django.contrib.auth.hashers." + name + "PasswordHasher"
    for name in ["PBKDF2", "PBKDF2SHA1", "Argon2", "BCryptSHA256", "BCrypt", "Scrypt", "MD5"]
])
django.setup()
from django.contrib.auth.hashers import make_password  # noqa: E402

warnings.simplefilter("ignore")

# The last one is as a Mac types it: the accent stands behind its letter.
PASSWORDS = ["correct horse battery", "Grüße, Jürgen! 七つの橋", "cafe\u0301 noir a\u0300 midi"]


def made_by_bcrypt(prefix):
    return lambda text: bcrypt.hashpw(text.encode(), bcrypt.gensalt(5, prefix)).decode()


def made_by_django(name, **settings):
    from django.contrib.auth.hashers import get_hasher

    def make(text):
        for setting, value in settings.items():
            setattr(get_hasher(name), setting, value)
        return make_password(text, hasher=name)

    return make


def made_by_hashlib(name):
    return lambda text: hashlib.new(name, text.encode()).hexdigest()


FORMATS = [
    ("bcrypt 2a", "bcrypt", made_by_bcrypt(b"2a")),
    ("bcrypt 2b", "bcrypt", made_by_bcrypt(b"2b")),
    ("bcrypt 2y", "passlib", passlib.bcrypt.using(ident="2y", rounds=5).hash),
    ("bcrypt crypt", "passlib", passlib.ldap_bcrypt.using(rounds=5).hash),
    ("scrypt phc", "passlib", passlib.scrypt.using(rounds=8, block_size=8, parallelism=1).hash),
    ("pbkdf2-sha1 modular", "passlib", passlib.pbkdf2_sha1.using(rounds=1200).hash),
    ("pbkdf2-sha256 modular", "passlib", passlib.pbkdf2_sha256.using(rounds=1200).hash),
    ("pbkdf2-sha512 modular", "passlib", passlib.pbkdf2_sha512.using(rounds=1200).hash),
    ("argon2id phc", "argon2-cffi", argon2.PasswordHasher(1, 64, 1).hash),
    ("argon2i phc", "argon2-cffi", argon2.PasswordHasher(1, 64, 1, type=argon2.Type.I).hash),
    ("argon2d phc", "argon2-cffi", argon2.PasswordHasher(1, 64, 1, type=argon2.Type.D).hash),
    ("argon2 django", "django", made_by_django("argon2", time_cost=1, memory_cost=64, parallelism=2)),
    ("pbkdf2_sha256 django", "django", made_by_django("pbkdf2_sha256", iterations=1200)),
    ("pbkdf2_sha1 django", "django", made_by_django("pbkdf2_sha1", iterations=1200)),
    ("scrypt django", "django", made_by_django("scrypt", work_factor=256)),
    ("bcrypt django", "django", made_by_django("bcrypt", rounds=5)),
    ("bcrypt_sha256 django", "django", made_by_django("bcrypt_sha256", rounds=5)),
    ("md5 django", "django", made_by_django("md5")),
    ("sha1 django", "passlib", passlib.django_salted_sha1.hash),
    ("pbkdf2 werkzeug", "werkzeug", lambda text: werkzeug(text, "pbkdf2:sha256:1200")),
    ("pbkdf2 sha1 werkzeug", "werkzeug", lambda text: werkzeug(text, "pbkdf2:sha1:1200")),
    ("scrypt werkzeug", "werkzeug", lambda text: werkzeug(text, "scrypt:256:8:1")),
    ("sha256 werkzeug", "werkzeug", lambda text: werkzeug(text, "sha256")),
    ("sha512 werkzeug", "werkzeug", lambda text: werkzeug(text, "sha512")),
    ("hex md5", "hashlib", made_by_hashlib("md5")),
    ("hex sha1", "hashlib", made_by_hashlib("sha1")),
    ("hex sha256", "hashlib", made_by_hashlib("sha256")),
    ("hex sha512", "hashlib", made_by_hashlib("sha512")),
    ("ldap md5", "passlib", passlib.ldap_md5.hash),
    ("ldap sha", "passlib", passlib.ldap_sha1.hash),
    ("ldap smd5", "passlib", passlib.ldap_salted_md5.hash),
    ("ldap ssha", "passlib", passlib.ldap_salted_sha1.hash),
    ("ldap ssha256", "passlib", passlib.ldap_salted_sha256.hash),
    ("ldap ssha512", "passlib", passlib.ldap_salted_sha512.hash),
    ("roundup plain", "passlib", passlib.roundup_plaintext.hash),
]


def made_with(library):
    import platform

    return f"Python {platform.python_version()} hashlib" if library == "hashlib" else f"{library} {version(library)}"


print(json.dumps([
    {"format": name, "made_with": made_with(library), "password": text, "hash": make(text)}
    for name, library, make in FORMATS
    for text in PASSWORDS
], ensure_ascii=False, indent=1))
