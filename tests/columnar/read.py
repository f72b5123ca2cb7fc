"""Tells as JSON what other tools find in files of columns: for each the columns, the rows and how it's compressed."""

import json
import re
import sys

import fastavro
import pyarrow as pa
import pyarrow.parquet as pq


def columns(schema):
    fields = [str(field).removeprefix("pyarrow.Field<").removesuffix(">") for field in schema]
    # What a map's entries are called doesn't count.
    return [re.sub(r" \('\w+'\)", "", field) for field in fields]


def parquet(path):
    file = pq.ParquetFile(path)
    leaves = [file.schema.column(i) for i in range(len(file.schema.names))]
    groups = [file.metadata.row_group(i) for i in range(file.metadata.num_row_groups)]
    codecs = {group.column(i).compression for group in groups for i in range(group.num_columns)}
    return {
        "columns": columns(file.schema_arrow),
        # What readers go by that don't know Arrow's schema.
        "leaves": [f"{leaf.path}: {leaf.physical_type} {leaf.logical_type}" for leaf in leaves],
        "rows": file.read().to_pylist(maps_as_pydicts="strict"),
        "codec": sorted(codecs),
    }


def arrow(path):
    with pa.memory_map(path) as source:
        table = pa.ipc.open_file(source).read_all()
        table.validate(full=True)
        return {"columns": columns(table.schema), "rows": table.to_pylist(maps_as_pydicts="strict")}


def avro(path):
    with open(path, "rb") as source:
        reader = fastavro.reader(source)
        rows = list(reader)
        return {"columns": json.loads(reader.metadata["avro.schema"]), "rows": rows, "codec": [reader.codec]}


READERS = {"parquet": parquet, "arrow": arrow, "avro": avro}
print(json.dumps([READERS[path.rsplit(".", 1)[1]](path) for path in sys.argv[1:]]))
