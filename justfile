# Common tasks: `just` lists them. https://just.systems

_default:
    @just --list

# Compile everything, without programs
check:
    cargo check --workspace --all-targets --all-features

# Run every test; the words go to the test programs as filters
test *FILTERS:
    scripts/test {{ FILTERS }}

# Run the tests of one module of `tests/it`, for example `just it login`
it MODULE:
    cargo test --workspace --all-features --test it -- {{ MODULE }}

# Run real Salesforce clients against the fake org
test-clients:
    scripts/test-clients

# Format, and fail on every warning
lint:
    cargo fmt --all
    cargo clippy --workspace --all-targets --all-features -- -D warnings

# Build the documentation and open it
docs:
    RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --all-features --open

# Write the lists of the public API after a change that is meant
public-api:
    scripts/public-api --write

# Run the benchmarks
bench:
    cargo bench --all-features

# Fuzz the parsers for so many seconds each
fuzz SECONDS="60":
    scripts/fuzz {{ SECONDS }}

# Start a fake Salesforce; the words are its options
fake-org *OPTIONS:
    cargo run -p salesforce-fake-org --bin fake-org -- {{ OPTIONS }}

# Install what the tests need and this machine lacks
setup:
    scripts/setup

# Everything that must hold before a change lands
ci:
    .ci/run
