def pytest_addoption(parser):
    parser.addoption(
        "--program", default="build/release/daemon/wireguard-cpp", help="the wireguard-cpp to test"
    )
