//! HTTP for the store's client, with the answers told apart that the client would take for the same.

use std::{error::Error, fmt, future::Future, pin::Pin};

use object_store::{
    ClientOptions, HeaderMap,
    client::{
        HttpClient, HttpConnector, HttpError, HttpErrorKind, HttpRequest, HttpResponse, HttpResponseBody,
        HttpService, ReqwestConnector,
    },
};

const UNAUTHORIZED: u16 = 401;
const FORBIDDEN: u16 = 403;
const NOT_FOUND: u16 = 404;
const PARTIAL_CONTENT: u16 = 206;
const RANGE_NOT_SATISFIABLE: u16 = 416;

/// What the stores call an object that is not there: S3 and Google, Azure.
const NO_SUCH_OBJECT: [&str; 2] = ["<Code>NoSuchKey</Code>", "<Code>BlobNotFound</Code>"];

/// What tells a listing: S3 and Google, Azure.
const LISTING: [&str; 2] = ["list-type=", "comp=list"];

/// What tells a removal on Azure, which the library asks for in a batch of one.
const BATCH: &str = "comp=batch";

/// What is not there, in the answer to a batch.
const NOT_FOUND_WITHIN: &str = "HTTP/1.1 404 ";

/// An answer that the client may not interpret.
#[derive(Debug)]
pub(super) enum Inexact {
    /// 404 without the word that it is the object that is missing. It may be the bucket, or the answer of a proxy.
    SomethingNotFound(String),
    /// 401 or 403 to a listing, where the client makes nothing of it.
    Denied(u16, String),
    /// The range lies wholly behind the end: 416, or 206 with nothing.
    BehindTheEnd,
}

impl fmt::Display for Inexact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Inexact::SomethingNotFound(body) => {
                write!(f, "404, but not that it is the object that is missing: {body}")
            }
            Inexact::Denied(status, body) => write!(f, "{status}: {body}"),
            Inexact::BehindTheEnd => f.write_str("the range is behind the end"),
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
            let query = request.uri().query().unwrap_or_default();
            let listing = LISTING.iter().any(|word| query.contains(word));
            let batch = query.contains(BATCH);
            let first = first_asked(request.headers());
            let response = self.0.execute(request).await?;
            match response.status().as_u16() {
                RANGE_NOT_SATISFIABLE => Err(inexact(Inexact::BehindTheEnd)),
                PARTIAL_CONTENT
                    if first.zip(size(response.headers())).is_some_and(|(first, size)| first >= size) =>
                {
                    Err(inexact(Inexact::BehindTheEnd))
                }
                status @ (UNAUTHORIZED | FORBIDDEN) if listing => {
                    let body = response.into_body().bytes().await?;
                    Err(inexact(Inexact::Denied(status, String::from_utf8_lossy(&body).into_owned())))
                }
                status if status == NOT_FOUND || batch => {
                    let (parts, body) = response.into_parts();
                    let body = body.bytes().await?;
                    let text = String::from_utf8_lossy(&body);
                    let not_found = status == NOT_FOUND || text.contains(NOT_FOUND_WITHIN);
                    if !not_found || NO_SUCH_OBJECT.iter().any(|words| text.contains(words)) {
                        return Ok(HttpResponse::from_parts(parts, HttpResponseBody::from(body)));
                    }
                    Err(inexact(Inexact::SomethingNotFound(text.into_owned())))
                }
                _ => Ok(response),
            }
        })
    }
}

/// The first byte that is asked for: of `bytes=FIRST-LAST`, RFC 9110, section 14.1.2.
fn first_asked(headers: &HeaderMap) -> Option<u64> {
    let range = headers.get("range")?.to_str().ok()?;
    range.strip_prefix("bytes=")?.split_once('-')?.0.parse().ok()
}

/// The bytes of the whole object: of `bytes FIRST-LAST/SIZE`, RFC 9110, section 14.4.
fn size(headers: &HeaderMap) -> Option<u64> {
    headers.get("content-range")?.to_str().ok()?.rsplit_once('/')?.1.parse().ok()
}

fn inexact(answer: Inexact) -> HttpError {
    HttpError::new(HttpErrorKind::Unknown, answer)
}

#[cfg(test)]
mod tests {
    use object_store::HeaderValue;

    use super::*;

    /// A server that says one thing.
    #[derive(Clone, Copy, Debug)]
    struct Says {
        status: u16,
        content_range: &'static str,
        body: &'static str,
    }

    impl HttpService for Says {
        fn call<'a, 'b>(
            &'a self,
            _: HttpRequest,
        ) -> Pin<Box<dyn Future<Output = Result<HttpResponse, HttpError>> + Send + 'b>>
        where
            'a: 'b,
        {
            let mut response = HttpResponse::new(HttpResponseBody::from(self.body.to_string()));
            *response.status_mut() = self.status.try_into().expect("a status");
            response.headers_mut().insert("content-range", HeaderValue::from_static(self.content_range));
            Box::pin(async { Ok(response) })
        }
    }

    /// The body, if the answer is let through.
    fn asked(says: Says, query: &str, range: &'static str) -> Result<String, String> {
        let mut request = HttpRequest::new(String::new().into());
        *request.uri_mut() = format!("http://there/?{query}").parse().expect("a URI");
        request.headers_mut().insert("range", HeaderValue::from_static(range));
        let service = Service(HttpClient::new(says));
        let runtime = tokio_real::runtime::Builder::new_current_thread().build().expect("a runtime");
        runtime.block_on(async move {
            let response = service.call(request).await.map_err(|error| {
                Inexact::within(&error).expect("no other error than of this module").to_string()
            })?;
            let body = response.into_body().bytes().await.expect("it is there");
            Ok(String::from_utf8_lossy(&body).into_owned())
        })
    }

    #[test]
    fn a_part_that_begins_at_the_end_is_behind_it_however_the_server_says_so() {
        let part =
            |status, content_range, range| asked(Says { status, content_range, body: "part" }, "", range);
        let behind = Err(String::from("the range is behind the end"));
        assert_eq!(part(206, "bytes 5-4/5", "bytes=5-7"), behind);
        assert_eq!(part(206, "bytes 5-4/5", "bytes=6-7"), behind);
        assert_eq!(part(416, "bytes */5", "bytes=5-7"), behind);
        let there = Ok(String::from("part"));
        assert_eq!(part(206, "bytes 4-4/5", "bytes=4-7"), there);
        // Whatever cannot be read is for the client to judge.
        assert_eq!(part(206, "bytes 4-4/*", "bytes=4-7"), there);
        assert_eq!(part(206, "bytes 5-4/5", "bytes=-7"), there);
        assert_eq!(part(200, "bytes 5-4/5", "bytes=5-7"), there);
    }

    #[test]
    fn a_removal_in_a_batch_finds_nothing_only_if_it_is_the_object_that_is_missing() {
        let batch = |status, body| {
            asked(Says { status, content_range: "", body }, "restype=container&comp=batch", "")
        };
        for body in ["HTTP/1.1 202 Accepted", "HTTP/1.1 404 Not there\r\n<Code>BlobNotFound</Code>"] {
            assert_eq!(batch(202, body), Ok(body.to_string()));
        }
        for body in ["HTTP/1.1 404 Not there\r\n<Code>ContainerNotFound</Code>", "HTTP/1.1 404 Not there"] {
            let told = batch(202, body).expect_err("something else is missing");
            assert!(told.contains("not that it is the object that is missing"), "{told}");
        }
        assert!(batch(404, "a proxy").is_err());
    }
}
