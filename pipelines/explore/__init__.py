"""A corpus that can be searched: a page on this machine with words, filters, counts, documents and what became of them.

    corpus ─ parts (its files of documents and drops) ─> index: catalogue (DuckDB) and words (tantivy), part by part
    a question, which a link holds whole ─> numbers of rows ─> counts, lists, histograms ─> pages

    questions    what is asked, as a link and as conditions       texts      texts and rows, read where they lie
    catalogue    a row for each document and drop, without text   search     a question's answer within a time limit
    words        which rows have a word or a phrase               pages      HTML, which needs no script
    index        both kept up to date                             server     who may ask, and what is answered

It only reads the corpus; what it makes lies in a folder of its own.
"""
