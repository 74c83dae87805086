//! A user of etcd's own: password in, token out, and again when the token is no longer good.

use std::path::Path;

use tokio::sync::Mutex;
use tonic::metadata::{Ascii, MetadataValue};
use tonic::{Code, Status};

use super::connection::Connection;
use super::options::Credentials;
use super::pb;
use super::rpc::Extras;

/// What goes with each call of a user.
pub(super) type Token = MetadataValue<Ascii>;

/// A user, and the token that stands for it.
pub(super) struct Login {
    credentials: Option<Credentials>,
    /// Held by whoever logs in: a password is checked slowly on purpose, once is enough.
    session: Mutex<Option<Session>>,
}

#[derive(Clone)]
enum Session {
    /// etcd knows us by this.
    Known(Token),
    /// etcd asks nobody who they are.
    Open,
}

/// Why there is no token.
pub(super) enum LoginFault {
    /// The password file cannot be used: what is wrong with it.
    Password(String),
    /// etcd did not log us in.
    Status(Status),
}

// === impl Login ===

impl Login {
    pub(super) fn new(credentials: Option<Credentials>) -> Self {
        Self {
            credentials,
            session: Mutex::new(None),
        }
    }

    /// Who we are, as a text.
    pub(super) fn name(&self) -> &str {
        match &self.credentials {
            Some(credentials) => &credentials.username,
            None => "without a user",
        }
    }

    /// Whether there is anybody to log in.
    pub(super) fn is_possible(&self) -> bool {
        self.credentials.is_some()
    }

    /// The token, after a login where there is none yet. Nothing where none is needed.
    pub(super) async fn token(&self, connection: &Connection) -> Result<Option<Token>, LoginFault> {
        let Some(credentials) = &self.credentials else {
            return Ok(None);
        };
        let mut session = self.session.lock().await;
        let known = match &*session {
            Some(known) => known.clone(),
            None => session
                .insert(log_in(connection, credentials).await?)
                .clone(),
        };
        Ok(match known {
            Session::Known(token) => Some(token),
            Session::Open => None,
        })
    }

    /// Has the next call log in again, unless another has done so already.
    pub(super) async fn forget(&self, used: Option<&Token>) {
        let mut session = self.session.lock().await;
        let is_used = match &*session {
            Some(Session::Known(token)) => Some(token) == used,
            Some(Session::Open) => used.is_none(),
            None => false,
        };
        if is_used {
            *session = None;
        }
    }
}

async fn log_in(connection: &Connection, user: &Credentials) -> Result<Session, LoginFault> {
    let request = pb::AuthenticateRequest {
        name: user.username.clone(),
        password: read_password(&user.password_file).map_err(LoginFault::Password)?,
    };
    let extras = Extras {
        needs_leader: true,
        token: None,
    };
    match connection.wire.unary(request, extras).await {
        Ok(answer) => {
            let token = answer.token.parse::<Token>();
            let broken = |_| Status::new(Code::Unknown, "etcd's token is no text");
            let mut token = token.map_err(broken).map_err(LoginFault::Status)?;
            token.set_sensitive(true);
            Ok(Session::Known(token))
        }
        Err(status) if status.message().contains("authentication is not enabled") => {
            Ok(Session::Open)
        }
        Err(status) => Err(LoginFault::Status(status)),
    }
}

fn read_password(file: &Path) -> Result<String, String> {
    let read = std::fs::read_to_string(file);
    let text = read.map_err(|error| {
        format!(
            "cannot read the password from {}: {error}; check the path and who may read it",
            file.display()
        )
    })?;
    let password = text.trim_matches(['\r', '\n']);
    if password.is_empty() {
        return Err(format!(
            "the password file {} is empty: write the password into it",
            file.display()
        ));
    }
    Ok(password.to_owned())
}
