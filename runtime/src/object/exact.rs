//! HTTP for the store's client, with the answers told apart that the client would take for the same.

use std::{error::Error, fmt, future::Future, pin::Pin};

use object_store::{
    ClientOptions,
    client::{
        HttpClient, HttpConnector, HttpError, HttpErrorKind, HttpRequest, HttpResponse, HttpResponseBody,
        HttpService, ReqwestConnector,
    },
};

const UNAUTHORIZED: u16 = 401;
const FORBIDDEN: u16 = 403;
const NOT_FOUND: u16 = 404;
const RANGE_NOT_SATISFIABLE: u16 = 416;

/// What the stores call an object that is not there: S3 and Google, Azure.
const NO_SUCH_OBJECT: [&str; 2] = ["<Code>NoSuchKey</Code>", "<Code>BlobNotFound</Code>"];

/// What tells a listing: S3 and Google, Azure.
const LISTING: [&str; 2] = ["list-type=", "comp=list"];

/// An answer that the client may not interpret.
#[derive(Debug)]
pub(super) enum Inexact {
    /// 404 without the word that it is the object that is missing. It may be the bucket, or the answer of a proxy.
    SomethingNotFound(String),
    /// 401 or 403 to a listing, where the client makes nothing of it.
    Denied(u16, String),
    /// 416: the range lies wholly behind the end.
    BehindTheEnd,
}

impl fmt::Display for Inexact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Inexact::SomethingNotFound(body) => {
                write!(f, "404, but not that it is the object that is missing: {body}")
            }
            Inexact::Denied(status, body) => write!(f, "{status}: {body}"),
            Inexact::BehindTheEnd => f.write_str("416, the range is behind the end"),
        }
    }
}

impl Error for Inexact {}

impl Inexact {
    /// The one that caused an error, if one did.
    pub(super) fn within<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a Inexact> {
        let mut cause = Some(error);
        while let Some(error) = cause {
            if let Some(found) = error.downcast_ref::<Inexact>() {
                return Some(found);
            }
            cause = error.source();
        }
        None
    }
}

/// Makes clients whose answers are exact.
#[derive(Debug)]
pub(super) struct Exact;

impl HttpConnector for Exact {
    fn connect(&self, options: &ClientOptions) -> object_store::Result<HttpClient> {
        ReqwestConnector::default().connect(options).map(|client| HttpClient::new(Service(client)))
    }
}

#[derive(Debug)]
struct Service(HttpClient);

impl HttpService for Service {
    fn call<'a, 'b>(
        &'a self,
        request: HttpRequest,
    ) -> Pin<Box<dyn Future<Output = Result<HttpResponse, HttpError>> + Send + 'b>>
    where
        'a: 'b,
    {
        Box::pin(async move {
            let listing =
                request.uri().query().is_some_and(|query| LISTING.iter().any(|word| query.contains(word)));
            let response = self.0.execute(request).await?;
            match response.status().as_u16() {
                RANGE_NOT_SATISFIABLE => Err(inexact(Inexact::BehindTheEnd)),
                status @ (UNAUTHORIZED | FORBIDDEN) if listing => {
                    let body = response.into_body().bytes().await?;
                    Err(inexact(Inexact::Denied(status, String::from_utf8_lossy(&body).into_owned())))
                }
                NOT_FOUND => {
                    let (parts, body) = response.into_parts();
                    let body = body.bytes().await?;
                    let text = String::from_utf8_lossy(&body);
                    if NO_SUCH_OBJECT.iter().any(|words| text.contains(words)) {
                        return Ok(HttpResponse::from_parts(parts, HttpResponseBody::from(body)));
                    }
                    Err(inexact(Inexact::SomethingNotFound(text.into_owned())))
                }
                _ => Ok(response),
            }
        })
    }
}

fn inexact(answer: Inexact) -> HttpError {
    HttpError::new(HttpErrorKind::Unknown, answer)
}
