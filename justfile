# Words for daily work; CI calls the same things through .ci/run.

# Start Kontor with the sample company.
run:
    cargo run --release -- serve --demo

# Format all code.
fmt:
    cargo fmt --all

# Clippy with warnings as errors.
lint:
    cargo clippy --workspace --all-targets -- -D warnings

# All tests, with what they need.
test:
    tests/run

# Only the end-to-end scenarios whose name holds WORD.
e2e WORD="":
    tests/run -p kontor-tests {{WORD}}

# Speed, as ratios to a floor taken in the same run.
bench:
    cargo bench -p kontor-tests
