FROM python:3.11-slim-bookworm

## The organisers' three lines, unchanged.
RUN mkdir /physionet
COPY ./ /physionet
WORKDIR /physionet

RUN pip install --no-cache-dir -r requirements.txt
