from switch._tables import Tables

def list_records(
    tables: Tables, kind: int, key: tuple[int, int, int], count_max: int
) -> tuple[list[bytes], bool] | None: ...
