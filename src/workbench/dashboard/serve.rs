//! Serves the pages to browsers on this machine.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::{HeaderName, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse as _, Response};

use super::{Dashboard, Page, PageError};
use crate::campaign::StopSignal;

/// Why nothing can be served.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The port is taken, or may not be used.
    #[error("cannot listen on port {port} of this machine: {source}")]
    Listen {
        /// The port.
        port: u16,
        /// Why.
        source: io::Error,
    },
    /// The server broke down.
    #[error("the server ended: {0}")]
    Ended(#[source] io::Error),
}

/// Serves until somebody says stop. `ready` is told the address; port 0 takes any that is free.
///
/// Only what is on this machine can reach it, and only under a name of this machine: a page of somebody else that
/// has its own name lead here is not answered.
///
/// # Errors
///
/// When it cannot listen, or breaks down.
pub fn serve(
    dashboard: Dashboard,
    port: u16,
    stop: &Arc<StopSignal>,
    ready: &mut dyn FnMut(SocketAddr),
) -> Result<(), ServeError> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(ServeError::Ended)?;
    runtime.block_on(async {
        let listen = |source| ServeError::Listen { port, source };
        let listener =
            tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await.map_err(listen)?;
        ready(listener.local_addr().map_err(listen)?);
        let pages = Router::new().fallback(answer).with_state(Arc::new(dashboard));
        let stop = Arc::clone(stop);
        axum::serve(listener, pages)
            .with_graceful_shutdown(async move {
                while !stop.is_raised() {
                    tokio::time::sleep(std::time::Duration::from_millis(100)).await;
                }
            })
            .await
            .map_err(ServeError::Ended)
    })
}

async fn answer(State(dashboard): State<Arc<Dashboard>>, request: Request) -> Response {
    if !is_for_this_machine(request.headers().get(header::HOST)) {
        return told(
            StatusCode::MISDIRECTED_REQUEST,
            "this is only served under a name of this machine",
        );
    }
    if request.method() != Method::GET && request.method() != Method::HEAD {
        return told(StatusCode::METHOD_NOT_ALLOWED, "pages can only be read");
    }
    let path = request.uri().path().trim_start_matches('/').to_owned();
    // A page may run a reproducer, for which nobody else has to wait.
    let page = tokio::task::spawn_blocking(move || dashboard.page(&path)).await;
    match page {
        Ok(Ok(Page { kind, body })) => {
            let kind = HeaderValue::from_static(kind);
            guarded((StatusCode::OK, [(header::CONTENT_TYPE, kind)], body).into_response())
        }
        Ok(Err(PageError::NotThere)) => told(StatusCode::NOT_FOUND, "there is no such page"),
        Ok(Err(error)) => told(StatusCode::INTERNAL_SERVER_ERROR, &error.to_string()),
        Err(_) => told(StatusCode::INTERNAL_SERVER_ERROR, "the page could not be made"),
    }
}

fn is_for_this_machine(host: Option<&HeaderValue>) -> bool {
    let Some(host) = host.and_then(|host| host.to_str().ok()) else { return false };
    let name = host.rsplit_once(':').map_or(host, |(name, _)| name);
    matches!(name, "localhost" | "127.0.0.1")
}

fn told(status: StatusCode, text: &str) -> Response {
    guarded((status, format!("{text}\n")).into_response())
}

/// Nothing is fetched from elsewhere, nothing that stands in a page is run, and no other page may frame it.
fn guarded(mut response: Response) -> Response {
    let headers = response.headers_mut();
    for (name, value) in [
        (
            header::CONTENT_SECURITY_POLICY,
            "default-src 'none'; style-src 'self' 'unsafe-inline'; script-src 'self'; img-src 'self'; frame-ancestors 'none'",
        ),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::CACHE_CONTROL, "no-store"),
        (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_of_this_machine_are_answered() {
        let is_answered =
            |host: &'static str| is_for_this_machine(Some(&HeaderValue::from_static(host)));
        assert!(
            ["localhost", "localhost:8080", "127.0.0.1:1"].iter().all(|host| is_answered(host))
        );
        for host in
            ["evil.example", "evil.example:8080", "localhost.evil.example", "", "127.0.0.1.evil:80"]
        {
            assert!(!is_answered(host), "{host}");
        }
        assert!(!is_for_this_machine(None));
    }
}
