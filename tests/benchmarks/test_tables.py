"""Markdown tables of the benchmarks."""

from tables import markdown


def test_columns_are_aligned_the_first_to_the_left():
    assert markdown(["data", "recall"], [["ring-8", "1.000"], ["all", "-"]]) == (
        "| data   | recall |\n| ------ | -----: |\n| ring-8 |  1.000 |\n| all    |      - |"
    )


def test_a_table_without_rows_is_its_header():
    assert markdown(["data"], []) == "| data |\n| ---- |"
