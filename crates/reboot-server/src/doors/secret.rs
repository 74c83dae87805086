//! Secrets as they stand in a file: hashed, so that whoever reads it cannot show them.

use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD as BASE64;
use ring::digest::{SHA256, digest};
use ring::pbkdf2::{self, PBKDF2_HMAC_SHA256};
use ring::rand::{SecureRandom, SystemRandom};
use std::fmt;
use std::num::NonZeroU32;
use std::str::FromStr;
use subtle::ConstantTimeEq;

/// How much work a password's hash is: what OWASP asks of PBKDF2 with SHA-256 (2023).
const ROUNDS: u32 = 600_000;
/// More than this nobody may make us work for one guess.
const ROUNDS_MAX: u32 = 10_000_000;
const HASH_BYTES: usize = 32;
const SALT_BYTES: usize = 16;
/// The random bytes of a token of ours.
const TOKEN_BYTES: usize = 32;
const TOKEN_KIND: &str = "sha256";
const PASSWORD_KIND: &str = "pbkdf2-sha256";

/// A hashed secret.
#[derive(Clone, Eq, PartialEq)]
pub enum Secret {
    /// Of a token: long and random, so that one round is enough.
    Token([u8; HASH_BYTES]),
    /// Of a password, which somebody may guess: slow.
    Password {
        /// How slow.
        rounds: NonZeroU32,
        /// Makes two hashes of one password differ.
        salt: Vec<u8>,
        /// The hash.
        hash: [u8; HASH_BYTES],
    },
}

/// Why a text is no hashed secret.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("it is no hash of `clusterrebootd serve hash-secret`: make one with that")]
pub struct BadSecret;

/// The system has no random numbers to give.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("the system gives no random numbers: check that /dev/urandom is there")]
pub struct NoRandomness;

/// What a token is found by: the hash of what somebody shows.
pub(super) fn token_hash(token: &str) -> [u8; HASH_BYTES] {
    let mut hash = [0; HASH_BYTES];
    hash.copy_from_slice(digest(&SHA256, token.as_bytes()).as_ref());
    hash
}

/// Random bytes.
pub(super) fn random<const N: usize>() -> Result<[u8; N], NoRandomness> {
    let mut bytes = [0; N];
    let filled = SystemRandom::new().fill(&mut bytes);
    filled.map(|()| bytes).map_err(|_| NoRandomness)
}

// === impl Secret ===

impl Secret {
    /// A new token and its hash; the token is shown once and kept nowhere.
    ///
    /// # Errors
    /// When the system has no random numbers.
    pub fn new_token() -> Result<(String, Self), NoRandomness> {
        let bytes: [u8; TOKEN_BYTES] = random()?;
        let token: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        let secret = Self::of_token(&token);
        Ok((token, secret))
    }

    /// The hash of a token that is long and random already.
    pub fn of_token(token: &str) -> Self {
        Self::Token(token_hash(token))
    }

    /// The hash of a password. Takes about a fifth of a second.
    ///
    /// # Errors
    /// When the system has no random numbers.
    pub fn of_password(password: &str) -> Result<Self, NoRandomness> {
        Self::of_password_in(NonZeroU32::new(ROUNDS).unwrap_or(NonZeroU32::MIN), password)
    }

    /// The same in so many rounds: tests do not want to wait.
    pub(super) fn of_password_in(rounds: NonZeroU32, password: &str) -> Result<Self, NoRandomness> {
        let salt: [u8; SALT_BYTES] = random()?;
        let mut hash = [0; HASH_BYTES];
        pbkdf2::derive(
            PBKDF2_HMAC_SHA256,
            rounds,
            &salt,
            password.as_bytes(),
            &mut hash,
        );
        Ok(Self::Password {
            rounds,
            salt: salt.to_vec(),
            hash,
        })
    }

    /// Whether this is the secret. Slow for a password; the time tells nothing of the secret.
    pub fn is(&self, shown: &str) -> bool {
        match self {
            Self::Token(hash) => token_hash(shown).ct_eq(hash).into(),
            Self::Password { rounds, salt, hash } => {
                pbkdf2::verify(PBKDF2_HMAC_SHA256, *rounds, salt, shown.as_bytes(), hash).is_ok()
            }
        }
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Token(hash) => write!(f, "{TOKEN_KIND}:{}", BASE64.encode(hash)),
            Self::Password { rounds, salt, hash } => {
                let (salt, hash) = (BASE64.encode(salt), BASE64.encode(hash));
                write!(f, "{PASSWORD_KIND}:{rounds}:{salt}:{hash}")
            }
        }
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

impl FromStr for Secret {
    type Err = BadSecret;

    fn from_str(text: &str) -> Result<Self, BadSecret> {
        let bytes = |text: &str| BASE64.decode(text).map_err(|_| BadSecret);
        let hash = |text: &str| bytes(text)?.try_into().map_err(|_| BadSecret);
        match text.split(':').collect::<Vec<_>>()[..] {
            [TOKEN_KIND, it] => Ok(Self::Token(hash(it)?)),
            [PASSWORD_KIND, rounds, salt, it] => {
                let rounds: NonZeroU32 = rounds.parse().map_err(|_| BadSecret)?;
                if rounds.get() > ROUNDS_MAX {
                    return Err(BadSecret);
                }
                Ok(Self::Password {
                    rounds,
                    salt: bytes(salt)?,
                    hash: hash(it)?,
                })
            }
            _ => Err(BadSecret),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_known_by_its_hash_alone() {
        let (token, hashed) = Secret::new_token().unwrap();
        assert_eq!(token.len(), 64);
        let text = hashed.to_string();
        assert!(!text.contains(&token));
        let read: Secret = text.parse().unwrap();
        assert!(read.is(&token) && !read.is("guess") && !read.is(&text));
        assert_ne!(Secret::new_token().unwrap().0, token);
    }

    #[test]
    fn a_password_is_salted() {
        let rounds = NonZeroU32::new(1000).unwrap();
        let hashed = || Secret::of_password_in(rounds, "p").unwrap();
        let (one, two) = (hashed(), hashed());
        assert_ne!(one.to_string(), two.to_string());
        let read: Secret = one.to_string().parse().unwrap();
        assert!(read.is("p") && !read.is("q"));
    }

    #[test]
    fn what_is_no_hash_is_refused() {
        let long = format!("pbkdf2-sha256:4000000000:AAAA:{}", BASE64.encode([0; 32]));
        for text in [
            "",
            "secret",
            "sha256:",
            "sha256:AAAA",
            "pbkdf2-sha256:0:AAAA:AAAA",
            &long,
        ] {
            assert_eq!(text.parse::<Secret>(), Err(BadSecret), "{text}");
        }
    }
}
