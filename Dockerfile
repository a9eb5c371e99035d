# make image: cutlist with what training and featurizers need. CUDA comes with torch's own wheels.
FROM python:3.12-slim
WORKDIR /cutlist
# Dependencies alone, in a layer that only a change of these three files makes anew.
COPY pyproject.toml constraints.txt README.md LICENSE ./
RUN mkdir -p src/cutlist loaders/cutlist_torch featurizers/cutlist_featurizers \
    && touch src/cutlist/__init__.py loaders/cutlist_torch/__init__.py featurizers/cutlist_featurizers/__init__.py \
    && pip install --no-cache-dir -c constraints.txt '.[all]' && pip uninstall --yes cutlist
COPY src src
COPY loaders loaders
COPY featurizers featurizers
COPY sql sql
COPY examples examples
RUN pip install --no-cache-dir --no-deps .
ENTRYPOINT ["cutlist"]
