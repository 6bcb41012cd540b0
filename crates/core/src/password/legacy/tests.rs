//! Hashes made by the libraries of other systems, and hostile ones.

use crate::password::{
    HashFormatError::{self, AbsurdCost, Malformed, UnknownFormat},
    HashParams, Hasher, Password, PasswordHash, Verification,
    argon2::tests::DERIVED,
};
use std::{collections::BTreeSet, time::Instant};

/// Made by `tests/password/legacy.py`.
const FIXTURES: &str = include_str!("../../../tests/password/legacy.json");

#[derive(serde::Deserialize)]
struct Fixture {
    format: String,
    made_with: String,
    password: String,
    hash: String,
}

fn fixtures() -> Vec<Fixture> {
    serde_json::from_str(FIXTURES).expect("a list of fixtures")
}

fn password(text: &str) -> Password {
    Password::new(text).expect("at most 1,024 bytes")
}

fn cheap() -> Hasher {
    Hasher::new(HashParams::cheap())
}

fn verify(hash: &PasswordHash, text: &str) -> Verification {
    cheap().verify(&password(text), hash).expect("256 KiB")
}

const VALID: Verification = Verification { valid: true, needs_rehash: true };
const WRONG: Verification = Verification { valid: false, needs_rehash: false };

// S83
#[test]
fn hashes_of_every_library_verify_and_ask_for_a_rehash() {
    for Fixture { format, made_with, password, hash } in fixtures() {
        let read = PasswordHash::parse(&hash).unwrap_or_else(|error| panic!("{format} by {made_with}: {error}"));
        // What is argon2id of today's cost already is not weak.
        let expected = Verification { valid: true, needs_rehash: format != "argon2id phc" && format != "argon2 django" };
        assert_eq!(verify(&read, &password), expected, "{format} by {made_with}");
        for wrong in ["", "another password", &format!("{password} "), &password[1..].replace('\u{fc}', "u")] {
            assert_eq!(verify(&read, wrong), WRONG, "{format} by {made_with}");
        }
    }
    let formats: BTreeSet<_> = fixtures().into_iter().map(|fixture| fixture.format).collect();
    assert_eq!(formats.len(), 35);
}

// S83: nothing of the hash is kept but how it was made, and its password still verifies, and no other.
#[test]
fn every_wrapped_hash_verifies_and_keeps_no_weak_output() {
    let strong = Hasher::new(HashParams { memory_kib: 128, ..HashParams::cheap() });
    for Fixture { format, made_with, password, hash } in fixtures() {
        let weak = PasswordHash::parse(&hash).expect("a fixture");
        let wrapped = strong.wrap(&weak).expect("128 KiB");
        let text = wrapped.as_str();
        assert!(text.starts_with("$argon2id$v=19$m=128,t=1,p=1$"), "{format}: {text}");
        let output = hash.rsplit(['$', '}']).next().expect("the last part");
        assert!(!text.contains(output), "{format}: {text}");
        let read = PasswordHash::parse(text).unwrap_or_else(|error| panic!("{format} by {made_with}: {text}: {error}"));
        assert_eq!(read.as_str(), text);
        for hash in [&wrapped, &read] {
            let verify = |text: &str| strong.verify(&super::tests::password(text), hash).expect("256 KiB");
            assert_eq!(verify(&password), VALID, "{format} by {made_with}: {text}");
            assert_eq!(verify("another password"), WRONG, "{format} by {made_with}: {text}");
        }
        assert_eq!(strong.wrap(&read).expect("no work").as_str(), text, "wrapping twice is wrapping once");
    }
}

#[test]
fn a_wrapped_hash_names_what_it_wraps() {
    let hasher = cheap();
    let named = |text: &str| {
        let wrapped = hasher.wrap(&PasswordHash::parse(text).expect("a known format")).expect("64 KiB");
        wrapped.as_str().split('$').nth(6).expect("a part behind the output").to_owned()
    };
    let md5 = "0123456789abcdef0123456789abcdef";
    let bcrypt = "$2b$05$pIDODwrz/4AVCaHLneWn1ercLCOVDS4nziQ4CdE5nz/ttBb6d.71m";
    let ssha = hash_of("ldap ssha");
    assert_eq!(named(md5), "md5");
    assert_eq!(named(&format!("md5$salt${md5}")), "md5,s=c2FsdA");
    assert_eq!(named("{PLAIN}a secret"), "plain");
    assert!(named(bcrypt).starts_with("bcrypt,c=5,s="));
    assert!(named(&format!("bcrypt_sha256${bcrypt}")).starts_with("bcrypt-sha256,c=5,s="));
    assert!(named(&ssha).starts_with("sha1,at=end,s="));
    assert!(named(&hash_of("sha256 werkzeug")).starts_with("sha256,at=key,s="));
    assert!(named(&hash_of("scrypt django")).starts_with("scrypt,ln=8,r=8,p=5,l=64,s="));
    assert!(named(&hash_of("pbkdf2_sha256 django")).starts_with("pbkdf2-sha256,i=1200,l=32,s="));
    assert!(named(&hash_of("argon2i phc")).starts_with("argon2i,v=19,m=64,t=1,p=1,l=32,s="));
}

/// The first hash of a format.
fn hash_of(format: &str) -> String {
    fixtures().into_iter().find(|fixture| fixture.format == format).expect("a known format").hash
}

// S78: a hash of which nobody knows what is behind byte 72 lets nobody in who has more.
#[test]
fn bcrypt_never_stands_for_two_passwords() {
    // Of 72 times the letter a, and of 80 times: the library that made it cut what was longer.
    let hash = PasswordHash::parse("$2b$04$abcdefghijklmnopqrstuuBzzIgyKkz7xMWYSzkIjUSnxEQFQ0WNe").expect("bcrypt");
    let exact = "a".repeat(72);
    let wrapped = cheap().wrap(&hash).expect("64 KiB");
    for hash in [&hash, &wrapped] {
        assert_eq!(verify(hash, &exact), VALID);
        for longer in [format!("{exact}1"), format!("{exact}2"), "a".repeat(144)] {
            assert_eq!(verify(hash, &longer), WRONG, "{} bytes", longer.len());
        }
        assert_eq!(verify(hash, &"a".repeat(71)), WRONG);
    }
}

#[test]
fn hostile_hashes_are_refused_without_work() {
    let b64 = "A".repeat(43);
    let hex = "0".repeat(64);
    let cases: Vec<(String, HashFormatError)> = vec![
        ("$2b$31$pIDODwrz/4AVCaHLneWn1ercLCOVDS4nziQ4CdE5nz/ttBb6d.71m".into(), AbsurdCost),
        ("$2b$16$pIDODwrz/4AVCaHLneWn1ercLCOVDS4nziQ4CdE5nz/ttBb6d.71m".into(), AbsurdCost),
        ("$2b$03$pIDODwrz/4AVCaHLneWn1ercLCOVDS4nziQ4CdE5nz/ttBb6d.71m".into(), Malformed),
        ("$2b$+5$pIDODwrz/4AVCaHLneWn1ercLCOVDS4nziQ4CdE5nz/ttBb6d.71m".into(), Malformed),
        ("$2b$05$pIDODwrz/4AVCaHLneWn1ercLCOVDS4nziQ4CdE5nz/ttBb6d.71".into(), Malformed),
        ("$2b$05$pIDODwrz/4AVCaHLneWn1erc\u{e9}CLOVDS4nziQ4CdE5nz/ttBb6d.71m".into(), Malformed),
        ("$2x$05$pIDODwrz/4AVCaHLneWn1ercLCOVDS4nziQ4CdE5nz/ttBb6d.71m".into(), UnknownFormat),
        ("bcrypt$2b$05$short".into(), Malformed),
        (format!("$scrypt$ln=63,r=8,p=1$c2FsdA${b64}"), AbsurdCost),
        (format!("$scrypt$ln=22,r=8,p=1$c2FsdA${b64}"), AbsurdCost),
        (format!("$scrypt$ln=255,r=4294967295,p=4294967295$c2FsdA${b64}"), AbsurdCost),
        (format!("$scrypt$ln=256,r=8,p=1$c2FsdA${b64}"), AbsurdCost),
        (format!("$scrypt$ln=1,r=65,p=1$c2FsdA${b64}"), AbsurdCost),
        (format!("$scrypt$ln=0,r=8,p=1$c2FsdA${b64}"), Malformed),
        (format!("$scrypt$ln=8,r=0,p=1$c2FsdA${b64}"), Malformed),
        (format!("$scrypt$ln=8,r=8,p=1,x=1$c2FsdA${b64}"), Malformed),
        ("$scrypt$ln=8,r=8,p=1$c2FsdA$AAAA".into(), Malformed),
        (format!("scrypt$16383$salt$8$1${b64}"), Malformed),
        (format!("scrypt$0$salt$8$1${b64}"), Malformed),
        (format!("scrypt$18446744073709551615$salt$8$1${b64}"), Malformed),
        (format!("scrypt$9223372036854775808$salt$8$1${b64}"), AbsurdCost),
        (format!("scrypt:1048576:8:16$salt${hex}"), AbsurdCost),
        (format!("scrypt:32768:8$salt${hex}"), Malformed),
        (format!("pbkdf2_sha256$4294967295$salt${b64}"), AbsurdCost),
        (format!("pbkdf2_sha256$99999999999999999999$salt${b64}"), AbsurdCost),
        (format!("pbkdf2_sha256$0$salt${b64}"), Malformed),
        (format!("pbkdf2_sha256$-1$salt${b64}"), Malformed),
        ("pbkdf2_sha256$1200$salt$AAAA".into(), Malformed),
        (format!("pbkdf2_sha256$1200$salt${}", "A".repeat(172)), Malformed),
        (format!("pbkdf2_sha256$1200${}${b64}", "s".repeat(65)), Malformed),
        (format!("$pbkdf2-sha256$i=1200,l=31$c2FsdA${b64}"), Malformed),
        (format!("$pbkdf2-md5$1200$c2FsdA${b64}"), UnknownFormat),
        (format!("pbkdf2:md5:1200$salt${hex}"), UnknownFormat),
        (format!("pbkdf2:sha256$salt${hex}"), Malformed),
        (format!("md5$salt${hex}"), Malformed),
        ("{SSHA}AAAA".into(), Malformed),
        ("{SHA}not base64".into(), Malformed),
        ("{CRYPT}$6$salt$hash".into(), UnknownFormat),
        ("{CRYPT}ab1cdefghijkl".into(), UnknownFormat),
        ("{PLAIN".into(), UnknownFormat),
        ("{}".into(), UnknownFormat),
        ("$".into(), UnknownFormat),
        ("$$$$$$$$".into(), UnknownFormat),
        ("$6$salt$hash".into(), UnknownFormat),
        ("!unusable".into(), UnknownFormat),
        ("!LYcUlWmc3fiTGbtd".into(), UnknownFormat),
        ("a password".into(), UnknownFormat),
        ("g".repeat(32), UnknownFormat),
        ("0".repeat(31), UnknownFormat),
        ("\u{e9}".repeat(16), UnknownFormat),
    ];
    let (before, began) = (DERIVED.get(), Instant::now());
    for (text, expected) in &cases {
        assert_eq!(PasswordHash::parse(text).err(), Some(*expected), "{text}");
    }
    assert_eq!(DERIVED.get(), before);
    assert!(began.elapsed().as_millis() < 1_000, "something was derived: {:?}", began.elapsed());
}

#[test]
fn hostile_wrapped_hashes_are_refused_without_work() {
    let outer = "$argon2id$v=19$m=64,t=1,p=1$c29tZXNhbHRzb21lc2FsdA$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4";
    let salt = "s=AAAAAAAAAAAAAAAAAAAAAA";
    assert!(PasswordHash::parse(&format!("{outer}$bcrypt,c=5,{salt}")).is_ok());
    for (inner, expected) in [
        ("", Malformed),
        ("unknown", Malformed),
        ("md5,", Malformed),
        ("md5,at=middle", Malformed),
        ("md5,at=key", UnknownFormat),
        ("md5,s=c2FsdA,s=c2FsdA", Malformed),
        ("md5$more", Malformed),
        ("plain,x=1", Malformed),
        ("bcrypt,c=31,s=AAAAAAAAAAAAAAAAAAAAAA", AbsurdCost),
        ("bcrypt,c=5,s=AAAA", Malformed),
        ("bcrypt,c=5", Malformed),
        ("scrypt,ln=30,r=8,p=1,l=64,s=AAAA", AbsurdCost),
        ("scrypt,ln=8,r=8,p=1,l=4294967296,s=AAAA", Malformed),
        ("pbkdf2-sha256,i=4294967295,l=32,s=AAAA", AbsurdCost),
        ("pbkdf2-md5,i=1,l=32,s=AAAA", UnknownFormat),
        ("argon2i,v=19,m=4194304,t=1,p=1,l=32,s=AAAAAAAAAAAAAAAA", AbsurdCost),
        ("argon2i,v=19,m=64,t=1,p=1,l=4,s=AAAAAAAAAAAAAAAA", Malformed),
    ] {
        assert_eq!(PasswordHash::parse(&format!("{outer}${inner}")).err(), Some(expected), "{inner}");
    }
    let absurd = outer.replace("m=64", "m=4194304");
    assert_eq!(PasswordHash::parse(&format!("{absurd}$md5")).err(), Some(AbsurdCost));
}

// S84
#[test]
fn a_wrong_password_takes_the_work_of_a_new_hash_at_least() {
    let hasher = Hasher::new(HashParams { memory_kib: 128, passes: 2, lanes: 1 });
    let old = cheap().hash(&password("the right password")).expect("64 KiB");
    let md5 = hasher.wrap(&PasswordHash::parse(&"0".repeat(32)).expect("md5")).expect("128 KiB");
    for hash in [None, Some(&old), Some(&md5), Some(&PasswordHash::parse(&"0".repeat(32)).expect("md5"))] {
        let before = DERIVED.get();
        assert_eq!(hasher.verify_or_burn(&password("a wrong password"), hash).expect("128 KiB"), WRONG);
        assert_eq!(DERIVED.get() - before, 128 * 2);
    }
}
