import pytest

pytest_plugins = ["pytester"]


def run(pytester: pytest.Pytester, source: str) -> pytest.RunResult:
    pytester.makepyfile("import pytest\n" + source)
    return pytester.runpytest_subprocess("-p", "tests.support.features")


def test_a_feature_counts_when_its_tests_passed_and_none_failed(pytester):
    result = run(
        pytester,
        """
@pytest.mark.feature("HD-020", "HD-023")
def test_passes(): pass

@pytest.mark.feature("HD-023")
def test_fails(): assert False

@pytest.mark.feature("HD-024")
@pytest.mark.skip
def test_is_skipped(): assert False
""",
    )

    result.assert_outcomes(passed=1, failed=1, skipped=1)
    result.stdout.fnmatch_lines(["features proved: C1 1/71  C2 0/*  total 1/*"])


def test_an_unknown_feature_stops_the_run(pytester):
    result = run(pytester, '@pytest.mark.feature("XX-999")\ndef test_passes(): pass\n')

    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*no such feature*XX-999*"])
