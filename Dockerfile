# What a worker of Dataflow, Flink or Spark needs: Beam's own image, the hash-locked packages, the wheel. No package here
# is compiled: all that have native code (fastText, KenLM, SentencePiece, pyarrow) come as wheels. Our own loops over
# characters are, where the image has a C compiler. Models are not in the image; a build puts them under
# OUTPUT/work/given, where every worker fetches them by content.
#
#     make wheel && docker build --tag IMAGE .
FROM apache/beam_python3.11_sdk:2.77.0
COPY requirements/corpus.txt requirements/aws.txt requirements/gcp.txt /opt/altiplano/
RUN pip install --no-cache-dir --no-deps --require-hashes --requirement /opt/altiplano/corpus.txt \
    && pip install --no-cache-dir --no-deps --require-hashes --requirement /opt/altiplano/aws.txt \
    && pip install --no-cache-dir --no-deps --require-hashes --requirement /opt/altiplano/gcp.txt
COPY dist/altiplano_corpus-*.whl /opt/altiplano/
RUN pip install --no-cache-dir --no-deps /opt/altiplano/altiplano_corpus-*.whl \
    && python -m filters.native.binding \
    && python -c "import pipelines.work, pipelines.runners.beam.waves"
