use super::*;

fn routes(texts: &[&str]) -> Result<Routes, RouteError> {
    let mut routes = Routes::default();
    for text in texts {
        assert!(routes.add(text.parse()?), "{text}");
    }
    Ok(routes)
}

fn pattern_of(routes: &Routes, domain: &str) -> Option<String> {
    let mailbox: Option<Mailbox> = format!("u@{domain}").parse().ok();
    let route = routes.find(&mailbox?)?;
    Some(route.pattern.to_string())
}

#[test]
fn the_closest_pattern_wins() -> Result<(), RouteError> {
    let routes = routes(&[
        "*=smtp://any",
        "*.example.org=smtp://below",
        "*.deep.example.org=smtp://deep",
        "Example.ORG.=smtp://itself",
        "*.org=smtp://org",
        "[192.0.2.1]=smtp://literal",
    ])?;
    for (domain, pattern) in [
        ("example.org", Some("example.org")),
        ("EXAMPLE.org.", Some("example.org")),
        ("a.example.org", Some("*.example.org")),
        ("a.b.example.org", Some("*.example.org")),
        ("deep.example.org", Some("*.example.org")),
        ("a.deep.example.org", Some("*.deep.example.org")),
        ("badexample.org", Some("*.org")),
        ("org", Some("*")),
        ("example.net", Some("*")),
        ("localhost", Some("*")),
        ("[192.0.2.1]", Some("[192.0.2.1]")),
        ("[192.0.2.2]", None),
        ("[IPv6:2001:db8::1]", None),
    ] {
        assert_eq!(pattern_of(&routes, domain).as_deref(), pattern, "{domain}");
    }
    Ok(())
}

#[test]
fn a_pattern_below_a_domain_is_not_for_itself() -> Result<(), RouteError> {
    let routes = routes(&["*.example.org=smtp://below"])?;
    assert_eq!(pattern_of(&routes, "example.org"), None);
    assert_eq!(pattern_of(&routes, "xexample.org"), None);
    assert!(pattern_of(&routes, "x.example.org").is_some());
    Ok(())
}

#[test]
fn one_of_many_routes_is_found() -> Result<(), RouteError> {
    let mut routes = Routes::default();
    for n in 0..2000 {
        routes.add(format!("d{n}.example=smtp://h{n}").parse()?);
    }
    assert_eq!(
        pattern_of(&routes, "D1999.example").as_deref(),
        Some("d1999.example")
    );
    assert_eq!(pattern_of(&routes, "d2000.example"), None);
    assert!(!routes.add("D7.example=smtp://other".parse()?));
    assert_eq!(routes.all().len(), 2000);
    Ok(())
}

#[test]
fn hops_are_read_and_shown_alike() -> Result<(), RouteError> {
    for (written, shown) in [
        ("*=mx", "*=mx?tls=may"),
        ("*=mx?tls=encrypt", "*=mx?tls=encrypt"),
        (
            "*=smtp://mail.Example.net",
            "*=smtp://mail.example.net:25?tls=may",
        ),
        (
            "*=smtps://mail.example.net",
            "*=smtps://mail.example.net:465?tls=may",
        ),
        (
            "*=smtp://192.0.2.1:2525?tls=none",
            "*=smtp://192.0.2.1:2525?tls=none",
        ),
        (
            "*=smtp://[2001:db8::1]",
            "*=smtp://[2001:db8::1]:25?tls=may",
        ),
        (
            "*=smtp://[2001:db8::1]:587",
            "*=smtp://[2001:db8::1]:587?tls=may",
        ),
        ("x.org=lmtp://dovecot:24", "x.org=lmtp://dovecot:24?tls=may"),
        (
            "x.org=lmtp:unix:/run/l,lmtp:unix:m",
            "x.org=lmtp:unix:/run/l?tls=none,lmtp:unix:m?tls=none",
        ),
        (
            "*=smtps://h?auth=ada@example.org",
            "*=smtps://h:465?tls=verify&auth=ada@example.org",
        ),
        (
            "*=smtp://h?auth=a%2Cb%25&ca=/etc/ca.pem",
            "*=smtp://h:25?tls=verify&auth=a%2Cb%25&ca=/etc/ca.pem",
        ),
        (
            " * = smtp://a , smtp://b?tls=encrypt",
            "*=smtp://a:25?tls=may,smtp://b:25?tls=encrypt",
        ),
    ] {
        let route: Route = written.parse()?;
        assert_eq!(route.to_string(), shown);
        assert_eq!(shown.parse(), Ok(route), "{shown}");
    }
    let route: Route = "*=smtp://h?auth=a%2Cb".parse()?;
    let user = route.hops.first().and_then(|hop| hop.login.as_deref());
    assert_eq!(user, Some("a,b"));
    Ok(())
}

#[test]
fn what_is_wrong_is_told_with_what_is_right() {
    for (text, right) in [
        ("", "write a pattern"),
        ("smtp://h", "write a pattern"),
        ("*", "write a pattern"),
        ("=smtp://h", "before the ="),
        ("*x=smtp://h", "before the ="),
        ("*.=smtp://h", "before the ="),
        ("*.*.x=smtp://h", "before the ="),
        ("*.[192.0.2.1]=smtp://h", "before the ="),
        ("a..b=smtp://h", "before the ="),
        ("*=", "smtp://HOST:PORT"),
        ("*=mx?auth=ada", "leave auth= out"),
        ("*=mx,smtp://h", "mx stands alone"),
        ("*=smtp://h,mx?tls=may", "mx stands alone"),
        ("*=h:25", "smtp://HOST:PORT"),
        ("*=http://h", "smtp://HOST:PORT"),
        ("*=lmtp:/run/l", "smtp://HOST:PORT"),
        ("*=smtp://a,", "smtp://HOST:PORT"),
        ("*=smtp://", "after ://"),
        ("*=smtp://h/", "after ://"),
        ("*=smtp://[::1", "after ://"),
        ("*=smtp://[h]", "after ://"),
        ("*=smtp://ada:secret@h", "?auth=USER"),
        ("*=smtp://h:", ":PORT"),
        ("*=smtp://h:0", ":PORT"),
        ("*=smtp://h:65536", ":PORT"),
        ("*=smtp://h:+25", ":PORT"),
        ("*=smtp://[::1]25", ":PORT"),
        ("*=smtp://2001:db8::1", "in brackets"),
        ("*=lmtp://h", ":PORT"),
        ("*=lmtp://h:25", "port 25"),
        ("*=lmtp:unix:", "a path"),
        ("*=smtp://h?tls", "none, may, encrypt or verify"),
        ("*=smtp://h?tls=yes", "none, may, encrypt or verify"),
        ("*=smtp://h?tls=may&tls=may", "twice"),
        ("*=smtp://h?auth=a&auth=b", "twice"),
        ("*=smtp://h?auth=", "after auth="),
        ("*=smtp://h?auth=a%2", "after auth="),
        ("*=smtp://h?auth=a%0A", "after auth="),
        ("*=smtp://h?ca=", "after ca="),
        ("*=smtp://h?user=a", "tls=, auth= and ca="),
        ("*=smtps://h?tls=none", "smtps begins with TLS"),
        ("*=lmtp:unix:/l?auth=a", "socket file"),
    ] {
        let read = text.parse::<Route>().map_err(|error| error.to_string());
        assert!(
            read.as_ref().is_err_and(|said| said.contains(right)),
            "{text}: {read:?}"
        );
    }
    let many = format!("*={}", ["smtp://h"; 1 + HOPS_OF_A_ROUTE_MAX].join(","));
    assert_eq!(many.parse::<Route>(), Err(RouteError::TooManyHops));
}
