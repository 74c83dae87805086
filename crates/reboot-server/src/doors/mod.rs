//! Who comes in, and what they may do there.
//!
//! Whoever asks shows a bearer token, a name and password (HTTP Basic), or a client certificate;
//! the first of these that is there decides. Where none of them is configured everybody may do
//! everything: then the server belongs on the loopback address.

mod list;
mod passwords;
mod role;
mod secret;
#[cfg(test)]
mod tests;
mod turned_away;

pub(crate) use role::Needs;
pub use role::{BadRole, KnownBy, Role, Who};
pub use secret::{BadSecret, NoRandomness, Secret};
pub(crate) use turned_away::Why;

use crate::desk::WatchedFile;
use crate::kind::{Kind, Refused};
use crate::refusal;
use axum::Router;
use axum::extract::{FromRequestParts, Request, State};
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::Response;
use http::header::{AUTHORIZATION, WWW_AUTHENTICATE};
use http::request::Parts;
use http::{HeaderMap, HeaderValue};
use list::{Entry, List, Proof};
use passwords::Passwords;
use reboot_core::id::NodeName;
use reboot_store::files::FromFiles;
use secret::token_hash;
use std::path::PathBuf;
use std::sync::Arc;
use turned_away::{Attempt, Lines};

const CHALLENGE: &str = "Bearer realm=\"clusterrebootd\", Basic realm=\"clusterrebootd\"";

/// How people and nodes come in.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct DoorSettings {
    /// Bearer tokens, and the roles of client certificates.
    pub tokens_file: Option<PathBuf>,
    /// Names and passwords.
    pub basic_file: Option<PathBuf>,
    /// Whether a client certificate is as good as a secret: its common name is its node's.
    pub certificates: bool,
}

/// The common name of a client's certificate, which the authority has vouched for.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct CertificateName(pub String);

/// The doors: who comes in is known.
pub struct Doors {
    tokens: Option<Arc<FromFiles<List>>>,
    passwords: Option<Passwords>,
    certificates: bool,
    /// What is written of those who do not come in.
    lines: Lines,
}

// === impl DoorSettings ===

impl DoorSettings {
    /// Whether anybody is asked who they are.
    pub fn is_open(&self) -> bool {
        *self == Self::default()
    }
}

// === impl Doors ===

impl Doors {
    /// Doors by these settings. Files are read now, and again when they change; one that turns
    /// bad later leaves the last good one in force, and is told of.
    ///
    /// # Errors
    /// Names the file and the line that cannot be used.
    pub fn new(settings: &DoorSettings) -> Result<Self, String> {
        let list = |file: &Option<PathBuf>| -> Result<_, String> {
            let Some(file) = file.clone() else {
                return Ok(None);
            };
            let list = FromFiles::new(vec![file.clone()], move || List::read(&file));
            list.current()?;
            Ok(Some(Arc::new(list)))
        };
        Ok(Self {
            tokens: list(&settings.tokens_file)?,
            passwords: list(&settings.basic_file)?.map(Passwords::new),
            certificates: settings.certificates,
            lines: Lines::default(),
        })
    }

    /// Doors that nobody is stopped at.
    pub fn open() -> Self {
        Self {
            tokens: None,
            passwords: None,
            certificates: false,
            lines: Lines::default(),
        }
    }

    /// Whether nobody is stopped.
    pub fn is_open(&self) -> bool {
        self.tokens.is_none() && self.passwords.is_none() && !self.certificates
    }

    /// Its files as they are now, each with why it is not taken.
    pub(crate) fn look_at_files(&self) -> Vec<(WatchedFile, Option<String>)> {
        let passwords = self.passwords.as_ref().map(|it| &it.list);
        let lists = [
            (WatchedFile::Tokens, self.tokens.as_ref()),
            (WatchedFile::Passwords, passwords),
        ];
        let used = lists.into_iter();
        used.filter_map(|(file, list)| Some((file, list?.trouble())))
            .collect()
    }

    /// Who this is, by what they show.
    ///
    /// # Errors
    /// `unauthorized` when they show nothing that is known, `too_many_requests` when too many
    /// passwords wait to be checked.
    pub async fn who(
        &self,
        headers: &HeaderMap,
        certificate: Option<&CertificateName>,
    ) -> Result<Who, Refused> {
        if self.is_open() {
            return Ok(Who::anybody());
        }
        let shown = headers.get(AUTHORIZATION).map(HeaderValue::to_str);
        let Some(Ok(shown)) = shown else {
            return match (shown, certificate) {
                (None, Some(name)) if self.certificates => self.by_certificate(&name.0),
                (None, _) => Err(nothing_shown()),
                (Some(_), _) => Err(wrong()),
            };
        };
        match shown.split_once(' ') {
            Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => {
                self.by_token(token.trim())
            }
            Some((scheme, pair)) if scheme.eq_ignore_ascii_case("basic") => {
                let passwords = self.passwords.as_ref().ok_or_else(wrong)?;
                passwords.who(pair.trim()).await
            }
            _ => Err(wrong()),
        }
    }

    fn by_token(&self, token: &str) -> Result<Who, Refused> {
        let list = current(self.tokens.as_ref())?.ok_or_else(wrong)?;
        let hash = token_hash(token);
        let mut entries = list.of_token(&hash);
        let is_it = |entry: &&Entry| match &entry.proof {
            Proof::Secret(secret) => secret.is(token),
            Proof::Certificate => false,
        };
        let entry = entries.find(is_it).ok_or_else(wrong)?;
        Ok(entry.who(KnownBy::Token))
    }

    /// A role in the list of tokens, or else that of the node it names.
    fn by_certificate(&self, name: &str) -> Result<Who, Refused> {
        let list = current(self.tokens.as_ref())?;
        let mut entries = list.iter().flat_map(|list| list.named(name));
        if let Some(entry) = entries.find(|entry| entry.proof == Proof::Certificate) {
            return Ok(entry.who(KnownBy::Certificate));
        }
        let node = NodeName::new(name).map_err(|_| {
            let text =
                format!("the certificate's common name `{name}` names no node: make another");
            Kind::Unauthorized.because(text)
        })?;
        Ok(Who {
            name: name.to_owned(),
            role: Role::Node(node),
            known_by: KnownBy::Certificate,
        })
    }
}

/// A list as it is now.
fn current(list: Option<&Arc<FromFiles<List>>>) -> Result<Option<Arc<List>>, Refused> {
    let list = list.map(|it| it.current()).transpose();
    list.map_err(|error| Kind::InternalError.because(error))
}

fn nothing_shown() -> Refused {
    let text = "say who you are: send a bearer token, or a name and password";
    Kind::Unauthorized.because(text)
}

fn wrong() -> Refused {
    let text = "what you show is not known here: check the token, or name and password, and that \
                the server's list has its hash";
    Kind::Unauthorized.because(text)
}

/// These routes, behind doors: each handler may ask for [`Who`].
pub fn behind<S>(doors: Arc<Doors>, routes: Router<S>) -> Router<S>
where
    S: Clone + Send + Sync + 'static,
{
    routes.layer(from_fn_with_state(doors, come_in))
}

/// These routes, where all but operators may only look.
pub(crate) fn for_operators<S>(routes: Router<S>) -> Router<S>
where
    S: Clone + Send + Sync + 'static,
{
    routes.layer(from_fn(change_as_operator))
}

async fn change_as_operator(who: Who, request: Request, next: Next) -> Result<Response, Refused> {
    if !request.method().is_safe() {
        who.as_operator()?;
    }
    Ok(next.run(request).await)
}

async fn come_in(State(doors): State<Arc<Doors>>, mut request: Request, next: Next) -> Response {
    if request.extensions().get::<Who>().is_some() {
        return next.run(request).await; // it came through other doors already
    }
    let certificate = request.extensions().get::<CertificateName>().cloned();
    let attempt = Attempt::of(&request);
    let who = doors.who(request.headers(), certificate.as_ref()).await;
    let (who, response) = match who {
        Ok(who) => {
            let known = attempt.as_ref().map(|_| who.clone());
            request.extensions_mut().insert(who);
            (known, next.run(request).await)
        }
        Err(refused) => (None, challenged(request.uri().path(), refused)),
    };
    if let Some(attempt) = attempt {
        attempt.answered(&doors, who.as_ref(), &response);
    }
    response
}

fn challenged(path: &str, refused: Refused) -> Response {
    let is_unauthorized = refused.kind == Kind::Unauthorized;
    let mut response = refusal::answer(path, refused);
    if is_unauthorized {
        let challenge = HeaderValue::from_static(CHALLENGE);
        response.headers_mut().insert(WWW_AUTHENTICATE, challenge);
    }
    response
}

// === impl Who ===

impl<S: Sync> FromRequestParts<S> for Who {
    type Rejection = Refused;

    /// Who asks. A route that stands behind no doors lets nobody in.
    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Refused> {
        let who = parts.extensions.get::<Self>().cloned();
        who.ok_or_else(|| Kind::InternalError.because("this route has no doors: report this"))
    }
}

// === impl Entry ===

impl Entry {
    fn who(&self, known_by: KnownBy) -> Who {
        Who {
            name: self.name.clone(),
            role: self.role.clone(),
            known_by,
        }
    }

    fn is_secret(&self, shown: &str) -> bool {
        match &self.proof {
            Proof::Secret(secret) => secret.is(shown),
            Proof::Certificate => false,
        }
    }
}
