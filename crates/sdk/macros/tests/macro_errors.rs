//! What the attributes say about code that cannot be a service. After a change of a text:
//! `TRYBUILD=overwrite cargo test -p latchwork-sdk-macros --test macro_errors`.

#[test]
fn mistakes_are_compile_errors_with_advice() {
    trybuild::TestCases::new().compile_fail("tests/macro_errors/*.rs");
}
