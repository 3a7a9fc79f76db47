"""Writes what scikit-learn's TfidfVectorizer makes of texts of numbers, for the test of bags of words.

    python tools/tfidf_fixtures.py > crates/mapsto-models/tests/fixtures/tfidf.json

Needs scikit-learn.
"""

import json
import random

from sklearn.feature_extraction.text import TfidfVectorizer

TOKENS = 12

chance = random.Random(1)
learned, asked = ([[min(int(chance.expovariate(0.3)), TOKENS - 1) for _ in range(chance.randint(1, 15))] for _ in range(8)] for _ in range(2))
# Every token is known, as it is to a tokenizer, but one text has it alone.
learned.append([TOKENS - 1])
vectorizer = TfidfVectorizer(analyzer=lambda text: [f"{token:02}" for token in text], sublinear_tf=True, vocabulary=[f"{token:02}" for token in range(TOKENS)])
vectorizer.fit(learned)
print(json.dumps({"tokens": TOKENS, "learned": learned, "asked": asked, "weights": vectorizer.transform(asked).toarray().tolist()}))
