"""Plants each kind of violation in a small tree and expects scripts/check_includes.py to name it, and nothing else."""

import pathlib
import sys
import tempfile
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "scripts"))
import check_includes  # noqa: E402

CLEAN = {
    "src/base/status.h": "#include <string>\n#include <sys/stat.h>\n#include <spdlog/spdlog.h>\n",
    "src/duck/database.h": '#include <duckdb.h>\n#include "base/status.h"\n',
    "src/config/pipeline_config.h": '#include <toml++/toml.h>\n#include "base/status.h"\n',
    "src/source/source.h": '#include <librdkafka/rdkafka.h>\n#include "config/pipeline_config.h"\n',
    "src/decode/decoder.cc": '#include "source/source.h"\n#include "duck/database.h"\n#include <simdjson.h>\n',
    "src/lake/table.h": '#include "delta_shim.h"\n#include "duck/database.h"\n',
    "src/bronze/writer.h": '#include "lake/table.h"\n#include "config/pipeline_config.h"\n',
    "src/pipeline/pipeline.h": '#include "bronze/writer.h"\n',
    "src/cli/main/main.cc": '#include <CLI/CLI.hpp>\n#include "pipeline/pipeline.h"\n',
    "tests/fakes/fake_lake.h": '#include "lake/table.h"\n',
    "tests/bronze/writer_test.cc": '#include <gtest/gtest.h>\n#include "bronze/writer.h"\n#include "tests/fakes/fake_lake.h"\n',
}


class CheckIncludesTest(unittest.TestCase):
    def found_with(self, file=None, text=""):
        with tempfile.TemporaryDirectory() as directory:
            root = pathlib.Path(directory)
            for name, content in (CLEAN | ({file: text} if file else {})).items():
                (root / name).parent.mkdir(parents=True, exist_ok=True)
                (root / name).write_text(content)
            return check_includes.complaints(root)

    def assert_names(self, file, text, line, part):
        found = self.found_with(file, text)
        self.assertEqual(len(found), 1, found)
        self.assertTrue(found[0].startswith(f"{file}:{line}: "), found[0])
        self.assertIn(part, found[0])

    def test_a_clean_tree_has_nothing(self):
        self.assertEqual(self.found_with(), [])

    def test_the_table_itself_has_no_cycle(self):
        for stage in check_includes.BUILT_ON:
            for below in check_includes.may_include(stage) - {stage}:
                self.assertNotIn(stage, check_includes.may_include(below), f"{stage} and {below} include each other")

    def test_a_stage_that_knows_the_next_one_is_named(self):
        self.assert_names("src/source/kafka.cc", '\n#include "decode/decoder.cc"\n', 2,
                          "must not know decode")

    def test_a_test_that_reaches_past_its_stage_is_named(self):
        self.assert_names("tests/duck/database_test.cc", '#include "lake/table.h"\n', 1, "must not know lake")

    def test_a_library_in_a_second_directory_is_named(self):
        self.assert_names("src/lake/table.cc", "#include <duckdb.h>\n", 1, "src/duck only")
        self.assert_names("src/bronze/json.cc", "#include <nlohmann/json.hpp>\n", 1, "src/base only")

    def test_a_library_that_nobody_declared_is_named(self):
        self.assert_names("src/base/a.cc", "#include <boost/graph/graph_traits.hpp>\n", 1, "no library in the table")

    def test_a_stage_that_nobody_declared_is_named(self):
        self.assert_names("src/helpers/a.cc", "#include <string>\n", 1, "not in the table")

    def test_test_code_in_the_program_is_named(self):
        self.assert_names("src/base/a.cc", "#include <gtest/gtest.h>\n", 1, "belongs in tests/")
        self.assert_names("src/lake/a.cc", '#include "tests/fakes/fake_lake.h"\n', 1, "must not include tests/")

    def test_relative_and_unknown_headers_are_named(self):
        self.assert_names("src/lake/a.cc", '#include "../duck/database.h"\n', 1, "name headers from src/")
        self.assert_names("src/lake/a.cc", '#include "table.h"\n', 1, "is no file below src/")

    def test_an_include_inside_a_comment_is_none(self):
        self.assertEqual(self.found_with("src/base/a.cc", "// #include <duckdb.h>\n/*\n#include <duckdb.h>\n*/\n"), [])

    def test_an_empty_tree_is_not_clean(self):
        with tempfile.TemporaryDirectory() as directory:
            self.assertNotEqual(check_includes.complaints(pathlib.Path(directory)), [])


if __name__ == "__main__":
    unittest.main()
