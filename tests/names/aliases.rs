//! Aliases (CNAME), in one answer and over several: where they end, and that they do.

use crate::situations::check;

#[test]
fn aliases() {
    check(
        "a chain in one answer",
        &[
            "* A = 60 -> a.example, a.example 60 -> b.example, b.example 60 192.0.2.1
           * AAAA = 60 -> a.example, a.example 60 -> b.example, b.example 60 2001:db8::1",
        ],
        "192.0.2.1 2001:db8::1 = b.example; 2; 0",
    );
    check(
        "a chain in any order, in any case",
        &[
            "* A = B.Example 60 192.0.2.1, A.example 60 -> b.exaMPLE, 60 -> a.EXAMPLE\n* AAAA = nodata",
        ],
        "192.0.2.1 = b.example; 2; 0",
    );
    let world = check(
        "an alias without what it stands for is asked again",
        &["mail.example * = 60 -> a.example
           a.example A = 60 192.0.2.1
           a.example AAAA = nodata 60"],
        "192.0.2.1 = a.example; 4; 0",
    );
    assert_eq!(world.questions[2], "1 a.example A");
    check(
        "an alias of nothing",
        &["* * = 60 -> a.example, nxdomain 60"],
        "NoSuchName; 2; 0",
    );
    check(
        "an alias of no address",
        &["* * = 60 -> a.example, nodata 60"],
        "NoData; 2; 0",
    );
    check(
        "an alias of itself",
        &["* * = 60 -> mail.example"],
        "BadAnswer; 4; 0",
    );
    check(
        "a loop in one answer",
        &["* * = 60 -> a.example, a.example 60 -> mail.example"],
        "BadAnswer; 4; 0",
    );
    check(
        "a loop over answers",
        &["mail.example * = 60 -> a.example\na.example * = 60 -> mail.example"],
        "BadAnswer; 18; 0",
    );
    let chain = |aliases: usize| {
        let first = "60 -> n1.example".to_owned();
        let links = (1..aliases).map(|n| format!("n{n}.example 60 -> n{}.example", n + 1));
        let links: Vec<String> = [first].into_iter().chain(links).collect();
        format!(
            "* A = {}, n{aliases}.example 60 192.0.2.1\n* AAAA = nodata",
            links.join(", ")
        )
    };
    check(
        "eight aliases",
        &[&chain(8)],
        "192.0.2.1 = n8.example; 2; 0",
    );
    check(
        "eight and one in another answer",
        &["mail.example A = 60 -> a.example
           a.example A = 60 -> n1.example, n1.example 60 -> n2.example, n2.example 60 -> n3.example, n3.example 60 -> n4.example, n4.example 60 -> n5.example, n5.example 60 -> n6.example, n6.example 60 -> n7.example, n7.example 60 -> n8.example, n8.example 60 192.0.2.1
           * AAAA = nodata 60"],
        "BadAnswer; 3; 0",
    );
    check("nine aliases", &[&chain(9)], "BadAnswer; 3; 0");
    check(
        "an alias to what is no name of a host",
        &["* * = 60 -> a/b.example"],
        "BadAnswer; 4; 0",
    );
    check(
        "an address beside an alias: that of the name counts",
        &["* A = 60 192.0.2.1, 60 -> a.example, a.example 60 192.0.2.9\n* AAAA = nodata"],
        "192.0.2.1; 2; 0",
    );
}
