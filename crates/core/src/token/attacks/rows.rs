//! The rows: each a name, and a token that is a good one but for one thing.

use super::*;

type Rows = Vec<(&'static str, String)>;

pub(super) fn all() -> Rows {
    [algorithms(), keys(), types(), spellings(), signatures(), times(), claims()].concat()
}

fn algorithms() -> Rows {
    let kid = KEYS.ed.kid();
    let jwk = Value::Object(KEYS.rsa.public().jwk()).to_string();
    let unsigned = |alg: &str| {
        let header = json!({"alg": alg, "typ": "at+jwt", "kid": kid});
        format!("{}.{}.", B64.encode(header.to_string()), B64.encode(good_claims().to_string()))
    };
    vec![
        ("alg none, no signature (CVE-2015-9235)", unsigned("none")),
        ("alg None", unsigned("None")),
        ("alg NONE", unsigned("NONE")),
        ("alg nOnE", unsigned("nOnE")),
        ("alg none with a leading blank", unsigned(" none")),
        ("alg empty", unsigned("")),
        ("alg none, signed all the same", with("alg", "none")),
        ("alg missing", header(|header| drop(header.remove("alg")))),
        ("alg null", with("alg", Value::Null)),
        ("alg a number", with("alg", 0)),
        ("alg a list", with("alg", json!(["EdDSA"]))),
        ("alg in lower case", with("alg", "eddsa")),
        ("alg with a NUL", with("alg", "EdDSA\0")),
        ("alg of another of our keys", with("alg", "ES256")),
        ("alg HS256 with the public key's bytes", hmac(kid, &B64.decode(kid).expect("base64url"))),
        ("alg HS256 with the JWK", hmac(KEYS.rsa.kid(), jwk.as_bytes())),
        (
            "alg HS256 with the modulus",
            hmac(KEYS.rsa.kid(), KEYS.rsa.public().jwk()["n"].as_str().unwrap_or_default().as_bytes()),
        ),
        ("alg HS256 with the public key as PEM", hmac(KEYS.rsa.kid(), pem().as_bytes())),
        ("alg HS256 with the public key as PEM without line breaks", hmac(KEYS.rsa.kid(), pem().replace('\n', "").as_bytes())),
        ("alg HS256 with an empty secret", hmac(kid, b"")),
        ("alg HS256 with the kid", hmac(kid, kid.as_bytes())),
        (
            "alg RS256 under the Ed25519 key's name",
            header_of(&KEYS.rsa, |header| drop(header.insert("kid".into(), kid.into()))),
        ),
        ("alg PS256 under an RSA key", header_of(&KEYS.rsa, |header| drop(header.insert("alg".into(), "PS256".into())))),
        ("alg RS512 under an RSA key", header_of(&KEYS.rsa, |header| drop(header.insert("alg".into(), "RS512".into())))),
        ("alg ES384 under a P-256 key", header_of(&KEYS.ec, |header| drop(header.insert("alg".into(), "ES384".into())))),
    ]
}

/// Something in the place of the public key's PEM: what matters is that no MAC is ever computed.
fn pem() -> String {
    let modulus = KEYS.rsa.public().jwk()["n"].as_str().unwrap_or_default().to_owned();
    format!("-----BEGIN PUBLIC KEY-----\n{modulus}\n-----END PUBLIC KEY-----\n")
}

fn keys() -> Rows {
    let kid = KEYS.ed.kid();
    let stranger = || Value::Object(KEYS.stranger.public().jwk());
    let stranger_says = |name: &str, value: Value| {
        header_of(&KEYS.stranger, |header| {
            header.insert("kid".to_owned(), kid.into());
            header.insert(name.to_owned(), value);
        })
    };
    vec![
        ("a stranger's key under its own name", header_of(&KEYS.stranger, |_| ())),
        ("a stranger's key under our name", header_of(&KEYS.stranger, |header| drop(header.insert("kid".into(), kid.into())))),
        ("kid missing", header(|header| drop(header.remove("kid")))),
        ("kid empty", with("kid", "")),
        ("kid a number", with("kid", 1)),
        ("kid a list", with("kid", json!([kid]))),
        ("kid a prefix of ours", with("kid", &kid[..10])),
        ("kid ours and more", with("kid", format!("{kid}x"))),
        ("kid ours, a NUL and more", with("kid", format!("{kid}\0.pem"))),
        ("kid a path (CVE-2018-0114's sibling)", with("kid", "../../../../../../dev/null")),
        ("kid an absolute path", with("kid", "/proc/sys/kernel/randomize_va_space")),
        ("kid SQL", with("kid", "x' UNION SELECT 'secret'; --")),
        ("kid a command", with("kid", "key.pem; sleep 10")),
        ("kid a URL", with("kid", "https://evil.example/key")),
        ("jku", stranger_says("jku", "https://evil.example/jwks.json".into())),
        ("jku of ourselves", with("jku", format!("{ISSUER}/.well-known/jwks.json"))),
        ("x5u", stranger_says("x5u", "https://evil.example/cert.pem".into())),
        ("jwk embedded (CVE-2018-0114)", stranger_says("jwk", stranger())),
        ("x5c embedded", stranger_says("x5c", json!(["MIIB"]))),
        ("x5t", with("x5t", "AAAA")),
        ("jku with a good signature", with("jku", "https://evil.example")),
        ("jwk with a good signature", with("jwk", Value::Object(KEYS.ed.public().jwk()))),
    ]
}

fn types() -> Rows {
    vec![
        ("typ missing", header(|header| drop(header.remove("typ")))),
        ("typ JWT", with("typ", "JWT")),
        ("typ empty", with("typ", "")),
        ("typ of an id token", with("typ", "id_token+jwt")),
        ("typ of a refresh token", with("typ", "rt+jwt")),
        ("typ of a logout token", with("typ", "logout+jwt")),
        ("typ of the deny-list", with("typ", "deny-list+jwt")),
        ("typ of a security event", with("typ", "secevent+jwt")),
        ("typ of a proof of possession", with("typ", "dpop+jwt")),
        ("typ a list", with("typ", json!(["at+jwt"]))),
        ("typ with a NUL", with("typ", "at+jwt\0")),
        ("cty JWT: a token in a token", with("cty", "JWT")),
        ("crit that nobody knows", with("crit", json!(["exp"]))),
        ("crit empty", with("crit", json!([]))),
        (
            "b64 false",
            header(|header| {
                header.insert("b64".into(), false.into());
                header.insert("crit".into(), json!(["b64"]));
            }),
        ),
        ("zip", with("zip", "DEF")),
        ("enc", with("enc", "A256GCM")),
        ("p2c of a billion", with("p2c", 1_000_000_000)),
        ("a session token", format!("vs_{}", "A".repeat(80))),
        ("a refresh token", format!("vr_{}", "A".repeat(89))),
        ("JSON in general form", json!({"payload": "e30", "signatures": []}).to_string()),
        (
            "JSON in flattened form",
            parts(|header, payload, signature| {
                json!({"protected": header, "payload": payload, "signature": signature}).to_string()
            }),
        ),
    ]
}

fn spellings() -> Rows {
    let plain = || good_header(&KEYS.ed).to_string();
    let twice = |name: &str, value: &str| format!("{},\"{name}\":\"{value}\"}}", &plain()[..plain().len() - 1]);
    let claims = good_claims().to_string();
    let open_claims = &claims[..claims.len() - 1];
    vec![
        ("empty", String::new()),
        ("dots alone", "..".to_owned()),
        ("one part", "e30".to_owned()),
        ("two parts", parts(|header, payload, _| format!("{header}.{payload}"))),
        ("four parts", parts(|header, payload, signature| format!("{header}.{payload}.{signature}.{signature}"))),
        (
            "five parts, as an encrypted token has",
            parts(|header, payload, signature| format!("{header}..{payload}.{signature}.")),
        ),
        ("a dot at the end", format!("{}.", good())),
        ("a dot at the beginning", format!(".{}", good())),
        ("a blank before", format!(" {}", good())),
        ("a line break after", format!("{}\n", good())),
        ("a blank within", good().replacen('.', ". ", 1)),
        ("a NUL after", format!("{}\0", good())),
        ("the scheme before", format!("Bearer {}", good())),
        ("padding", format!("{}==", good())),
        ("padding of the header", parts(|header, payload, signature| format!("{header}=.{payload}.{signature}"))),
        // Three tildes in a row are written with a `-`, wherever they stand.
        ("plain base64", claim("tenant", "~~~~~").replace(['-', '_'], "+")),
        ("spare bits set", spare_bits()),
        ("a header that is empty", raw_header("")),
        ("a header that is a list", raw_header("[]")),
        ("a header that is cut off", raw_header(&plain()[..10])),
        ("a header and more", raw_header(&format!("{}{{}}", plain()))),
        ("a header after a byte order mark", raw_header(&format!("\u{feff}{}", plain()))),
        ("alg twice", raw_header(&twice("alg", "EdDSA"))),
        ("kid twice", raw_header(&twice("kid", KEYS.ed.kid()))),
        ("typ twice, once escaped", raw_header(&twice("\\u0074yp", "at+jwt"))),
        ("sub twice", raw_claims(&format!("{open_claims},\"sub\":\"root\"}}"))),
        ("exp twice", raw_claims(&format!("{open_claims},\"exp\":{}}}", NOW + 9_999))),
        ("a nested member twice", raw_claims(&format!("{open_claims},\"x\":{{\"a\":1,\"a\":2}}}}"))),
        ("claims that are a list", raw_claims("[]")),
        ("claims that are a text", raw_claims("\"ada\"")),
        ("claims of a hundred thousand braces", raw_claims(&"{\"a\":".repeat(1_300))),
        ("huge", claim("pad", "x".repeat(9_000))),
        ("a megabyte", "A".repeat(1 << 20)),
    ]
}

/// The same bytes, spelt otherwise: the last character of the signature has four bits that say nothing.
fn spare_bits() -> String {
    let mut token = good().into_bytes();
    let last = token.last_mut().expect("not empty");
    const ALPHABET: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let value = ALPHABET.iter().position(|letter| letter == last).expect("of the alphabet");
    *last = ALPHABET[value | 1];
    String::from_utf8(token).expect("ASCII")
}

fn signatures() -> Rows {
    vec![
        ("no signature", parts(|header, payload, _| format!("{header}.{payload}."))),
        (
            "a signature of another payload",
            parts(|header, _, signature| format!("{header}.{}.{signature}", B64.encode(claim("sub", "root")))),
        ),
        (
            "a signature of another token",
            parts(|header, payload, _| {
                format!("{header}.{payload}.{}", claim("sub", "eve").rsplit('.').next().unwrap_or_default())
            }),
        ),
        (
            "one bit changed",
            with_signature(&KEYS.ed, |mut bytes| {
                bytes[0] ^= 1;
                bytes
            }),
        ),
        ("one byte less", with_signature(&KEYS.ed, |bytes| bytes[..63].to_vec())),
        ("one byte more", with_signature(&KEYS.ed, |bytes| [bytes, vec![0]].concat())),
        ("zeros under Ed25519", with_signature(&KEYS.ed, |_| vec![0; 64])),
        ("Ed25519 with s + L", with_signature(&KEYS.ed, plus_order)),
        ("zeros under ES256 (CVE-2022-21449)", with_signature(&KEYS.ec, |_| vec![0; 64])),
        ("ES256 with r of zero", with_signature(&KEYS.ec, |bytes| [vec![0; 32], bytes[32..].to_vec()].concat())),
        (
            "ES256 in ASN.1",
            with_signature(&KEYS.ec, |bytes| {
                [vec![0x30, 0x44, 2, 32], bytes[..32].to_vec(), vec![2, 32], bytes[32..].to_vec()].concat()
            }),
        ),
        ("zeros under RS256", with_signature(&KEYS.rsa, |_| vec![0; 256])),
        ("one under RS256", with_signature(&KEYS.rsa, |_| [vec![0; 255], vec![1]].concat())),
        ("RS256 with a byte before (CVE-2006-4339's kind)", with_signature(&KEYS.rsa, |bytes| [vec![0], bytes].concat())),
    ]
}

/// The same signature to a verifier that does not reduce (RFC 8032 5.1.7): s plus the order of the group.
fn plus_order(mut signature: Vec<u8>) -> Vec<u8> {
    const ORDER: [u8; 32] = [
        0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14, 0, 0, 0, 0, 0, 0, 0, 0,
        0, 0, 0, 0, 0, 0, 0, 0x10,
    ];
    let mut carry = 0;
    for place in 0..32 {
        let sum = u16::from(signature[32 + place]) + u16::from(ORDER[place]) + carry;
        signature[32 + place] = (sum & 0xff) as u8;
        carry = sum >> 8;
    }
    signature
}

fn times() -> Rows {
    vec![
        ("exp missing", without("exp")),
        ("exp now", claim("exp", NOW)),
        ("exp long ago", claim("exp", 1)),
        ("exp a text", claim("exp", (NOW + 600).to_string())),
        ("exp a fraction", claim("exp", NOW as f64 + 0.5)),
        ("exp with an exponent", raw_claims(&good_claims().to_string().replace(&(NOW + 600).to_string(), "1e12"))),
        ("exp negative", claim("exp", -1)),
        ("exp beyond every calendar", claim("exp", u64::MAX)),
        ("exp null", claim("exp", Value::Null)),
        ("exp a list", claim("exp", json!([NOW + 600]))),
        ("exp true", claim("exp", true)),
        ("iat missing", without("iat")),
        ("iat a text", claim("iat", NOW.to_string())),
        ("iat beyond the skew", claim("iat", NOW + 31)),
        ("nbf beyond the skew", claim("nbf", NOW + 31)),
        ("nbf a text", claim("nbf", NOW.to_string())),
        ("nbf null", claim("nbf", Value::Null)),
    ]
}

fn claims() -> Rows {
    vec![
        ("iss missing", without("iss")),
        ("iss of another", claim("iss", "https://evil.example")),
        ("iss with a slash more", claim("iss", format!("{ISSUER}/"))),
        ("iss a list with ours", claim("iss", json!([ISSUER, "https://evil.example"]))),
        ("aud missing", without("aud")),
        ("aud of another", claim("aud", "other")),
        ("aud in other letters", claim("aud", "API")),
        ("aud empty", claim("aud", json!([]))),
        ("aud mixed", claim("aud", json!(["api", 1]))),
        ("aud nested", claim("aud", json!([["api"]]))),
        ("aud an object", claim("aud", json!({"api": true}))),
        ("aud with a NUL", claim("aud", "api\0")),
        ("sub missing", without("sub")),
        ("sub empty", claim("sub", "")),
        ("sub a number", claim("sub", 0)),
        ("sub with a NUL", claim("sub", "ada\0root")),
        ("sub an object", claim("sub", json!({"$ne": null}))),
        ("jti missing", without("jti")),
        ("jti not ours", claim("jti", "1")),
        ("jti a number", claim("jti", 7)),
        ("fam missing", without("fam")),
        ("sid not ours", claim("sid", "ses_")),
        ("client_id missing", without("client_id")),
        ("roles a text", claim("roles", "admin")),
        ("roles mixed", claim("roles", json!(["user", 0]))),
        ("permissions missing", without("permissions")),
        ("scope a list", claim("scope", json!(["read"]))),
        ("ver missing", without("ver")),
        ("ver negative", claim("ver", -1)),
        ("ver a text", claim("ver", "3")),
        ("ver beyond its size", claim("ver", u64::from(u32::MAX) + 1)),
    ]
}
